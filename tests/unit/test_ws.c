/* SPDX-License-Identifier: MIT */
/* WebSocket frames: the examples of RFC 6455, what it forbids, every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/attr.h"
#include "tests/unit/ws_trace.h"

#define LIMIT	70000

/* The input of a test: frames of a peer, one behind the other. */
static uint8_t input[200000];
static size_t ninput;

static void
put(const void *p, size_t n)
{
	assert_true(ninput + n <= sizeof(input));
	memcpy(input + ninput, p, n);
	ninput += n;
}

/* A masked frame, from its first byte. */
static void
put_frame(uint8_t first, const char *payload, size_t n)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t head[WS_HEAD_MAX], c;
	size_t len = ws_frame(head, first & 0x0F, first & 0x80, n), i;

	head[0] |= first;
	head[1] |= 0x80;
	put(head, len);
	put(mask, 4);
	for (i = 0; i < n; i++) {
		c = (uint8_t)payload[i] ^ mask[i % 4];
		put(&c, 1);
	}
}

static void
put_text(const char *text)
{
	put_frame(0x81, text, strlen(text));
}

/* In two pieces cut at first, or by bytes where first is 0. */
static char *
decode(size_t first)
{
	struct ws_trace t = { 0 };
	size_t i;

	ws_init(&t.dec, LIMIT);
	if (first > 0) {
		ws_trace_feed(&t, input, first);
		ws_trace_feed(&t, input + first, ninput - first);
	} else
		for (i = 0; i < ninput; i++)
			ws_trace_feed(&t, input + i, 1);
	ws_trace_add(&t, "", 0);
	if (t.text == NULL)
		t.text = calloc(1, 1);
	return t.text;
}

/* The same at every cut; long input at some. Empties the input. */
static void
expect(const char *want)
{
	size_t cut, step = ninput > 1000 ? ninput / 100 : 1;
	char *got;

	for (cut = 0; cut <= ninput; cut += cut < 20 ? 1 : step) {
		got = decode(cut);
		assert_string_equal(got, want);
		free(got);
	}
	ninput = 0;
}

static void
examples_of_the_rfc(void **state UNUSED)
{
	put("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	expect("TEXT Hello\n");
	put("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	expect("PING Hello\n");
	put_frame(0x01, "Hel", 3);
	put_frame(0x80, "lo", 2);
	expect("TEXT Hello\n");
}

static void
messages_of_every_length(void **state UNUSED)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 9, 125, 126, 127, 65535,
	    65536, LIMIT };
	static char big[LIMIT + 1], want[LIMIT + 80];
	size_t i;

	memset(big, 'x', sizeof(big));
	for (i = 0; i < nitems(lengths); i++) {
		put_frame(0x82, big, lengths[i]);
		snprintf(want, sizeof(want), "BINARY %.*s\n", (int)lengths[i],
		    big);
		expect(want);
	}
	put_frame(0x02, big, LIMIT);
	put_frame(0x80, "x", 1);
	ninput -= 1;		/* the announced length is enough */
	snprintf(want, sizeof(want), "BINARY %.*s...\nERROR 1009 message over "
	    "the limit\n", LIMIT, big);
	expect(want);
	put_frame(0x82, big, LIMIT + 1);
	ninput = 14;
	expect("ERROR 1009 message over the limit\n");
}

static void
control_frames_between_fragments(void **state UNUSED)
{
	put_frame(0x01, "a", 1);
	put_frame(0x89, "", 0);
	put_frame(0x00, "", 0);
	put_frame(0x8A, "late", 4);
	put_frame(0x80, "b", 1);
	put_frame(0x02, "", 0);
	put_frame(0x80, "", 0);
	put_frame(0x88, "\x03\xe8" "bye", 5);
	put_text("after the end");
	expect("TEXT a...\nPING \nPONG late\nTEXT b\nBINARY \nCLOSE 1000 bye\n");
}

static void
what_is_forbidden(void **state UNUSED)
{
	static char big[126];

	put_frame(0xC1, "x", 1);
	expect("ERROR 1002 reserved bit\n");
	put_frame(0x83, "x", 1);
	expect("ERROR 1002 reserved opcode\n");
	put_frame(0x8B, "x", 1);
	expect("ERROR 1002 reserved opcode\n");
	put("\x81\x01x", 3);
	expect("ERROR 1002 frame without a mask\n");
	put_frame(0x80, "x", 1);
	expect("ERROR 1002 continuation of nothing\n");
	put_frame(0x01, "x", 1);
	put_text("y");
	expect("TEXT x...\nERROR 1002 message inside a message\n");
	put_frame(0x09, "x", 1);
	expect("ERROR 1002 control frame in fragments\n");
	put_frame(0x89, big, sizeof(big));
	expect("ERROR 1002 long control frame\n");
	put("\x82\xfe\0\x7d", 4);
	put(big, 40);
	expect("ERROR 1002 length in more bytes than it needs\n");
	put("\x82\xff\0\0\0\0\0\0\xff\xff", 10);
	put(big, 40);
	expect("ERROR 1002 length in more bytes than it needs\n");
	put("\x82\xff\x80\0\0\0\0\0\0\0", 10);
	put(big, 40);
	expect("ERROR 1002 length over 63 bits\n");
	put("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10);
	put(big, 40);
	expect("ERROR 1009 message over the limit\n");
}

static void
close_codes(void **state UNUSED)
{
	put_frame(0x88, "", 0);
	expect("CLOSE 1005 \n");
	put_frame(0x88, "\x03", 1);
	expect("ERROR 1002 bad close code\n");
	put_frame(0x88, "\x03\xe8", 2);
	expect("CLOSE 1000 \n");
	put_frame(0x88, "\x03\xed", 2);		/* 1005 is never sent */
	expect("ERROR 1002 bad close code\n");
	put_frame(0x88, "\x0b\xb8\xc3\xa9", 4);
	expect("CLOSE 3000 \\xc3\\xa9\n");
	put_frame(0x88, "\x0b\xb8\xc3", 3);
	expect("ERROR 1007 reason is not UTF-8\n");
	assert_false(ws_is_code(0));
	assert_false(ws_is_code(999));
	assert_false(ws_is_code(1004));
	assert_true(ws_is_code(1014));
	assert_false(ws_is_code(1015));
	assert_false(ws_is_code(2999));
	assert_true(ws_is_code(4999));
	assert_false(ws_is_code(5000));
}

static void
text_is_utf8(void **state UNUSED)
{
	static const char *const good[] = { "\x7f", "\xc2\x80", "\xdf\xbf",
	    "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
	    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	    "xxxxxxxx\xe2\x82\xacxxxxxxxx" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80",
	    "\xc1\xbf", "\xc2", "\xc2\x7f", "\xe0\x9f\xbf", "\xe0\xa0",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80", "\xff", "xxxxxxx\xe2\x82xxxxxxxx" };
	struct ws_utf8 u;
	size_t i, cut, n;

	for (i = 0; i < nitems(good); i++) {
		n = strlen(good[i]);
		for (cut = 0; cut <= n; cut++) {
			u = (struct ws_utf8){ 0 };
			assert_true(ws_utf8(&u, good[i], cut));
			assert_true(ws_utf8(&u, good[i] + cut, n - cut));
			assert_int_equal(u.due, 0);
		}
	}
	for (i = 0; i < nitems(bad); i++) {
		u = (struct ws_utf8){ 0 };
		assert_true(!ws_utf8(&u, bad[i], strlen(bad[i])) ||
		    u.due != 0);
	}
	/* A character may straddle fragments, but not the end. */
	put_frame(0x01, "\xe2", 1);
	put_frame(0x00, "\x82", 1);
	put_frame(0x80, "\xac", 1);
	put_frame(0x82, "\xff", 1);
	expect("TEXT \\xe2\\x82\\xac\nBINARY \\xff\n");
	put_frame(0x81, "\xff", 1);
	expect("ERROR 1007 text is not UTF-8\n");
	put_frame(0x81, "\xe2", 1);
	expect("ERROR 1007 text is not UTF-8\n");
}

static void
frames_of_ours(void **state UNUSED)
{
	uint8_t out[WS_CLOSE_MAX];
	char reason[200];

	assert_int_equal(ws_frame(out, WS_OP_TEXT, true, 5), 2);
	assert_memory_equal(out, "\x81\x05", 2);
	assert_int_equal(ws_frame(out, WS_OP_BINARY, false, 126), 4);
	assert_memory_equal(out, "\x02\x7e\0\x7e", 4);
	assert_int_equal(ws_frame(out, WS_OP_CONTINUE, true, 65536), 10);
	assert_memory_equal(out, "\x80\x7f\0\0\0\0\0\1\0\0", 10);
	assert_int_equal(ws_close(out, WS_NO_CODE, (struct proto_str){ 0 }), 2);
	assert_memory_equal(out, "\x88\0", 2);
	assert_int_equal(ws_close(out, 1001, (struct proto_str){ "x", 1 }), 5);
	assert_memory_equal(out, "\x88\x03\x03\xe9x", 5);
	memset(reason, 'x', sizeof(reason));
	assert_int_equal(ws_close(out, 1000,
	    (struct proto_str){ reason, 200 }), 127);
	memcpy(reason + 122, "\xc3\xa9", 2);	/* would be cut in two */
	assert_int_equal(ws_close(out, 1000,
	    (struct proto_str){ reason, 200 }), 126);
	assert_int_equal(out[1], 124);
}

static bool
is_key(const char *key)
{
	return ws_is_key((struct proto_str){ key, strlen(key) });
}

static void
keys(void **state UNUSED)
{
	assert_true(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
	assert_false(is_key("dGhlIHNhbXBsZSBub25jZR=="));	/* 130 bits */
	assert_false(is_key("dGhlIHNhbXBsZSBub25jZQ="));
	assert_false(is_key("dGhlIHNhbXBsZSBub25jZQ==="));
	assert_false(is_key("dGhlIHNhbXBsZSBub25jZ==="));
	assert_false(is_key("dGhlIHNhbXBsZSBub2 jZQ=="));
	assert_false(is_key(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(messages_of_every_length),
		cmocka_unit_test(control_frames_between_fragments),
		cmocka_unit_test(what_is_forbidden),
		cmocka_unit_test(close_codes),
		cmocka_unit_test(text_is_utf8),
		cmocka_unit_test(frames_of_ours),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The list of codecs, and the guess at what else was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "proto/proto.h"

static void
codecs_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(proto_find("fastcgi"), &fcgi_ops);
	assert_ptr_equal(proto_find("uwsgi"), &uwsgi_ops);
	assert_null(proto_find("http"));
	assert_null(proto_find(""));
	assert_ptr_equal(protos[0], &fcgi_ops);
	assert_ptr_equal(protos[1], &uwsgi_ops);
	assert_null(protos[2]);
}

static void
codecs_are_told_apart_by_the_first_byte(void **state)
{
	unsigned	 b;

	(void)state;
	assert_ptr_equal(proto_detect(0), &uwsgi_ops);
	assert_ptr_equal(proto_detect(1), &fcgi_ops);
	for (b = 2; b <= 255; b++)
		assert_null(proto_detect((uint8_t)b));
}

/* What the worker relies on without asking which codec it is. */
static void
every_slot_is_filled(void **state)
{
	const struct proto_ops *p;
	size_t		 i;

	(void)state;
	for (i = 0; (p = protos[i]) != NULL; i++) {
		assert_non_null(p->name);
		assert_true(p->record_max > 0);
		assert_true(p->init != NULL && p->decode != NULL);
		assert_true(p->expect != NULL && p->body_left != NULL);
		assert_true(p->took != NULL && p->done != NULL);
		assert_true(p->pair != NULL && p->frame != NULL);
		assert_true(p->end != NULL);
	}
}

static void
guess(const char *bytes, size_t n, const char *want)
{
	char		 out[64];

	proto_guess((const uint8_t *)bytes, n, out, sizeof(out));
	assert_string_equal(out, want);
}

/* F4, U5, U7 */
static void
strangers_are_named(void **state)
{
	(void)state;
	guess(NULL, 0, "nothing");
	guess("GET / HTTP/1.1\r\n", 16, "HTTP");
	guess("P", 1, "HTTP");
	guess("PRI * HTTP/2.0\r\n", 16, "HTTP");
	guess("PROXY TCP4 ", 11, "the PROXY protocol");
	guess("\r\n\r\n\0\r\nQUIT\n!", 13, "the PROXY protocol");
	guess("\r\n", 2, "uwsgi modifier1 13");
	guess("SSH-2.0-", 8, "SSH");
	guess("\x16\x03\x01\x02\0\x01", 6, "TLS");
	guess("\x16\x30\x01\x00", 4, "uwsgi modifier1 22");
	guess("\x1e\x30\x01\x00", 4, "uwsgi modifier1 30");
	guess("\xff", 1, "uwsgi modifier1 255");
	guess("\0\x30\x01\x00", 4, "uwsgi modifier1 0");
	guess("\1\1\0\1\0\x8\0\0", 8, "FastCGI");
}

static void
guess_is_cut_to_the_room_there_is(void **state)
{
	char		 out[6];

	(void)state;
	proto_guess((const uint8_t *)"\x1e", 1, out, sizeof(out));
	assert_string_equal(out, "uwsgi");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_are_found_by_name),
		cmocka_unit_test(codecs_are_told_apart_by_the_first_byte),
		cmocka_unit_test(every_slot_is_filled),
		cmocka_unit_test(strangers_are_named),
		cmocka_unit_test(guess_is_cut_to_the_room_there_is),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}

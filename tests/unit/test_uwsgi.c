/* SPDX-License-Identifier: MIT */
/* The uwsgi codec, row by row of the table of hostile and unusual input. */
#include "tests/unit/proto_vector.h"

static void
put_head(uint8_t modifier1, size_t size, uint8_t modifier2)
{
	const uint8_t	 h[] = {
		modifier1, (uint8_t)size, (uint8_t)(size >> 8), modifier2
	};

	vector_put(h, sizeof(h));
}

static void
put_packet(const char *block, size_t len)
{
	put_head(0, len, 0);
	vector_put(block, len);
}

#define BLOCK	"\3\0KEY\2\0va"		/* 9 bytes */

static void
expect(const struct trace_policy policy, const char *want)
{
	vector_check(&uwsgi_ops, policy, want);
}

/* U1: whole, cut, and as little as a packet can be. */
static void
packet_is_the_same_at_every_cut(void **state)
{
	(void)state;
	put_packet(BLOCK BLOCK, 18);
	expect((struct trace_policy){ 0 },
	    "BEGIN 0\n"
	    "PARAMS 0 \\x03\\x00KEY\\x02\\x00va\\x03\\x00KEY\\x02\\x00va\n"
	    "HEAD 0\n"
	    "END 0\n");
	put_packet("", 1);
	expect((struct trace_policy){ 0 },
	    "BEGIN 0\nPARAMS 0 \\x00\nHEAD 0\nEND 0\n");
}

/* U8: exactly the expected length; what follows is discarded. */
static void
body_is_as_long_as_expected(void **state)
{
	(void)state;
	put_packet(BLOCK, 9);
	vector_put("hello world", 11);
	expect((struct trace_policy){ .length = 5 },
	    "BEGIN 0\n"
	    "PARAMS 0 \\x03\\x00KEY\\x02\\x00va\n"
	    "HEAD 0\n"
	    "BODY 0 hello\n"
	    "END 0\n");
	put_packet(BLOCK, 9);
	vector_put("hello world", 11);
	expect((struct trace_policy){ 0 },
	    "BEGIN 0\n"
	    "PARAMS 0 \\x03\\x00KEY\\x02\\x00va\n"
	    "HEAD 0\n"
	    "END 0\n");
}

/* F31 and U8: a length is believed, not reserved, and waited for. */
static void
body_may_be_longer_than_what_arrives(void **state)
{
	(void)state;
	put_packet("k", 1);
	vector_put("b", 1);
	expect((struct trace_policy){ .length = UINT64_MAX },
	    "BEGIN 0\nPARAMS 0 k\nHEAD 0\nBODY 0 b\n");
}

static void
body_behind_an_early_answer_is_discarded(void **state)
{
	(void)state;
	put_packet("k", 1);
	vector_put("body", 4);
	expect((struct trace_policy){ .length = 4, .early = true },
	    "BEGIN 0\nPARAMS 0 k\nHEAD 0\n");
}

static void
body_left_counts_down(void **state)
{
	struct trace	 t;

	(void)state;
	put_packet("k", 1);
	vector_put("body", 4);
	trace_init(&t, &uwsgi_ops, &(struct trace_policy){ .length = 4 });
	vector_feed(&t, 0, 4);
	assert_int_equal(uwsgi_ops.body_left(&t.dec), 0);
	vector_feed(&t, 4, 2);
	assert_int_equal(uwsgi_ops.body_left(&t.dec), 3);
	uwsgi_ops.took(&t.dec, 2);
	assert_int_equal(uwsgi_ops.body_left(&t.dec), 1);
	uwsgi_ops.took(&t.dec, 1);
	assert_int_equal(uwsgi_ops.body_left(&t.dec), 0);
	trace_feed(&t, "", 0);
	assert_string_equal(trace_text(&t),
	    "BEGIN 0\nPARAMS 0 k\nHEAD 0\nBODY 0 b\nEND 0\n");
	trace_fini(&t);
}

/* U2 */
static void
empty_packet_is_an_error(void **state)
{
	(void)state;
	put_head(0, 0, 0);
	expect((struct trace_policy){ 0 }, "ERROR 0 400\n");
	put_head(0, 0, 7);
	vector_put("more", 4);
	expect((struct trace_policy){ 0 }, "ERROR 0 400\n");
}

/* U4 */
static void
largest_block_is_taken(void **state)
{
	struct proto_str block, name, value;

	(void)state;
	put_head(0, 65535, 9);
	vector_put("\xfb\xff", 2);
	vector_fill('k', 65531);
	vector_put("\0\0", 2);
	block = (struct proto_str){ (char *)vector.bytes + 4, 65535 };
	assert_int_equal(uwsgi_ops.pair(&block, &name, &value), 1);
	assert_int_equal(name.len, 65531);
	assert_int_equal(value.len, 0);
	assert_int_equal(uwsgi_ops.pair(&block, &name, &value), 0);
	expect((struct trace_policy){ 0 },
	    "BEGIN 0\nPARAMS 0 65535 bytes\nHEAD 0\nEND 0\n");
}

/* U5, U7: refused whatever it is, and the reason names it. */
static void
other_modifiers_are_errors_that_name_them(void **state)
{
	static const struct {
		uint8_t		 modifier1;
		const char	*word;
	} named[] = {
		{ 1, "FastCGI" }, { 5, "language" }, { 17, "spooler" },
		{ 18, "C function" }, { 22, "Python code" },
		{ 30, "SCRIPT_NAME" }, { 'G', "HTTP" }, { 97, "reload" },
		{ 98, "reload" }, { 110, "signal" }, { 111, "cache" },
		{ 173, "procedure" }, { 200, "not 0" }
	};
	struct trace	 t;
	size_t		 i;
	unsigned	 m;

	(void)state;
	for (m = 1; m <= 255; m++) {
		put_head((uint8_t)m, m * 31, (uint8_t)(m * 7));
		vector_put(BLOCK, 9);
		expect((struct trace_policy){ 0 }, "ERROR 0 0\n");
	}
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		put_head(named[i].modifier1, 9, 0);
		trace_init(&t, &uwsgi_ops, &(struct trace_policy){ 0 });
		vector_feed(&t, 0, 4);
		assert_non_null(strstr(t.why, named[i].word));
		trace_fini(&t);
		vector.len = 0;
	}
}

/* Copy a block against the unreadable page, then take its pairs. */
static int
pairs(const char *block, size_t len, struct proto_str *name,
    struct proto_str *value)
{
	struct proto_str rest = { NULL, len };
	int		 n = 0, got;

	if (vector.end == NULL)
		vector_map();
	memcpy(vector.end - len, block, len);
	rest.p = (const char *)vector.end - len;
	while ((got = uwsgi_ops.pair(&rest, name, value)) == 1) {
		assert_ptr_equal(rest.p + rest.len, vector.end);
		n++;
	}
	return got == 0 ? n : -1;
}

static void
pairs_are_sliced_from_the_block(void **state)
{
	struct proto_str name, value;

	(void)state;
	assert_int_equal(pairs("", 0, &name, &value), 0);
	assert_int_equal(pairs("\1\0N\0\0", 5, &name, &value), 1);
	assert_int_equal(value.len, 0);
	assert_int_equal(pairs(BLOCK "\4\0NA\0\xff\1\0\n", 18, &name, &value),
	    2);
	assert_int_equal(name.len, 4);
	assert_memory_equal(name.p, "NA\0\xff", 4);
	assert_int_equal(value.len, 1);
	assert_memory_equal(value.p, "\n", 1);
}

/* U3 */
static void
cut_and_nameless_pairs_are_malformed(void **state)
{
	struct proto_str name, value;
	size_t		 i;

	(void)state;
	assert_int_equal(pairs("\0\0\1\0V", 5, &name, &value), -1);
	assert_int_equal(pairs("\0\0\0\0", 4, &name, &value), -1);
	assert_int_equal(pairs("\xff\xff" "N\0\0", 5, &name, &value), -1);
	assert_int_equal(pairs("\1\0N\xff\xff", 5, &name, &value), -1);
	for (i = 1; i < 9; i++)
		assert_int_equal(pairs(BLOCK, i, &name, &value), -1);
	for (i = 1; i <= 3; i++)
		assert_int_equal(pairs(BLOCK "\1\0N", 9 + i, &name, &value),
		    -1);
}

static void
response_needs_no_frame(void **state)
{
	uint8_t		 out[PROTO_END_MAX];

	(void)state;
	assert_int_equal(uwsgi_ops.frame(out, 0, 100), 0);
	assert_int_equal(uwsgi_ops.end(out, 0, 1, 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packet_is_the_same_at_every_cut),
		TEST(body_is_as_long_as_expected),
		TEST(body_may_be_longer_than_what_arrives),
		TEST(body_behind_an_early_answer_is_discarded),
		TEST(body_left_counts_down),
		TEST(empty_packet_is_an_error),
		TEST(largest_block_is_taken),
		TEST(other_modifiers_are_errors_that_name_them),
		TEST(pairs_are_sliced_from_the_block),
		TEST(cut_and_nameless_pairs_are_malformed),
		TEST(response_needs_no_frame),
	};

	return cmocka_run_group_tests_name("uwsgi", tests, NULL, NULL);
}

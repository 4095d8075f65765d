/* SPDX-License-Identifier: MIT */
/* Slices, and every parser of operators' text at its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>

#include "base/str.h"

#define NO	INT64_MIN	/* must be refused */

struct value {
	const char	*text;
	int64_t		 want;
};

static void
slices_compare_without_case(void **state UNUSED)
{
	assert_true(str_caseeq(STR("Content-Type"), STR("content-tYPE")));
	assert_true(str_caseeq(STR(""), STR("")));
	assert_false(str_caseeq(STR("a"), STR("ab")));
	assert_false(str_caseeq(STR("a"), STR("b")));
	/* Only letters have a case: [ and { differ by the same bit. */
	assert_false(str_caseeq(STR("["), STR("{")));
	assert_false(str_caseeq(STR("@"), STR("`")));
}

/* By words: every two bytes, at every place of a word and behind it. */
static void
words_compare_as_bytes_do(void **state UNUSED)
{
	char a[19], b[19];
	unsigned i, x, y;

	memset(a, 'M', sizeof(a));
	memset(b, 'm', sizeof(b));
	for (i = 0; i < sizeof(a); i++) {
		for (x = 0; x < 256; x++)
			for (y = 0; y < 256; y++) {
				a[i] = (char)x;
				b[i] = (char)y;
				assert_true(str_caseeq(
				    (struct str){ a, sizeof(a) },
				    (struct str){ b, sizeof(b) }) ==
				    str_caseeq((struct str){ a + i, 1 },
				    (struct str){ b + i, 1 }));
			}
		a[i] = b[i] = 'M';
	}
}

static void
prefixes_are_recognised(void **state UNUSED)
{
	assert_true(str_starts(STR("unix:/a"), STR("unix:")));
	assert_true(str_starts(STR("unix:"), STR("unix:")));
	assert_true(str_starts(STR("a"), STR("")));
	assert_false(str_starts(STR("unix"), STR("unix:")));
}

static void
blanks_are_trimmed_at_both_ends(void **state UNUSED)
{
	assert_true(str_eq(str_trim(STR(" \ta b\t ")), STR("a b")));
	assert_true(str_eq(str_trim(STR("a")), STR("a")));
	assert_int_equal(str_trim(STR(" \t ")).len, 0);
	assert_int_equal(str_trim(STR("")).len, 0);
	assert_true(str_eq(str_trim(STR("\r")), STR("\r")));
}

static void
lists_own_their_strings(void **state UNUSED)
{
	struct strlist a = { 0 }, b = { 0 };
	char text[] = "one";

	assert_true(strlist_eq(&a, &b));
	strlist_add(&a, text);
	text[0] = 'X';
	assert_string_equal(a.v[0], "one");
	assert_false(strlist_eq(&a, &b));
	strlist_add(&b, "two");
	assert_false(strlist_eq(&a, &b));
	strlist_fini(&b);
	strlist_add(&b, "one");
	assert_true(strlist_eq(&a, &b));
	strlist_fini(&a);
	strlist_fini(&b);
	assert_int_equal(a.n, 0);
	assert_null(a.v);
}

static void
numbers_are_whole_and_in_range(void **state UNUSED)
{
	static const struct value cases[] = {
		{ "0", 0 }, { "-1", -1 }, { "100", 100 }, { "007", 7 },
		{ "-2", NO }, { "101", NO }, { "", NO }, { "-", NO },
		{ "+1", NO }, { " 1", NO }, { "1 ", NO }, { "1x", NO },
		{ "0x10", NO }, { "1.0", NO }, { "--1", NO }, { "\n1", NO },
		{ "99999999999999999999", NO },
	};
	int64_t out;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		out = 77;
		if (cases[i].want == NO) {
			assert_int_equal(str_parse_int(cases[i].text, -1, 100,
			    &out), -1);
			assert_int_equal(out, 77);
			continue;
		}
		assert_int_equal(str_parse_int(cases[i].text, -1, 100, &out),
		    0);
		assert_int_equal(out, cases[i].want);
	}
}

static void
numbers_reach_both_ends_of_64_bits(void **state UNUSED)
{
	int64_t out;

	errno = EAGAIN;
	assert_int_equal(str_parse_int("9223372036854775807", INT64_MIN,
	    INT64_MAX, &out), 0);
	assert_true(out == INT64_MAX);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(str_parse_int("-9223372036854775808", INT64_MIN,
	    INT64_MAX, &out), 0);
	assert_true(out == INT64_MIN);
	assert_int_equal(str_parse_int("9223372036854775808", INT64_MIN,
	    INT64_MAX, &out), -1);
	assert_int_equal(str_parse_int("-9223372036854775809", INT64_MIN,
	    INT64_MAX, &out), -1);
}

static void
sizes_have_units(void **state UNUSED)
{
	static const struct value cases[] = {
		{ "0", 0 }, { "1", 1 }, { "64k", 65536 }, { "64K", 65536 },
		{ "3m", 3145728 }, { "2G", 2147483648 },
		{ "8589934591g", 9223372035781033984 },
		{ "8589934592g", NO }, { "99999999999g", NO }, { "-1", NO },
		{ "", NO }, { "k", NO }, { "1kb", NO }, { "1 k", NO },
		{ "1.5k", NO }, { "1t", NO },
	};
	int64_t out;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		out = NO;
		assert_int_equal(str_parse_size(cases[i].text, 0, INT64_MAX,
		    &out), cases[i].want == NO ? -1 : 0);
		assert_true(out == cases[i].want);
	}
	assert_int_equal(str_parse_size("1k", 0, 1023, &out), -1);
	assert_int_equal(str_parse_size("1k", 1025, 4096, &out), -1);
}

static void
times_have_units_and_decimals(void **state UNUSED)
{
	static const struct value cases[] = {
		{ "0", 0 }, { "30", 30000 }, { "30s", 30000 }, { "30S", 30000 },
		{ "250ms", 250 }, { "1.5", 1500 }, { "1.5s", 1500 },
		{ "0.25m", 15000 }, { "2m", 120000 }, { "1h", 3600000 },
		{ "0.5h", 1800000 }, { "1d", 86400000 },
		{ "1.0000000000000000s", 1000 },
		/* Never down to nothing. */
		{ "0.1ms", 1 }, { "0.0001", 1 }, { "0.00000000000001", 1 },
		{ "0.000", 0 }, { "1.0001", 1001 },
		{ "86400", 86400000 }, { "86400.001", NO }, { "1.1d", NO },
		{ "-1", NO }, { "-0", NO }, { "", NO }, { "s", NO },
		{ ".5", NO }, { "1.", NO }, { "1.s", NO }, { "1 s", NO },
		{ "1.2.3", NO }, { "1sec", NO }, { "1e3", NO },
		{ "9223372036854775807d", NO }, { "9223372036854775807ms", NO },
		{ "9223372036854775807.9ms", NO },
	};
	int64_t out;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		out = NO;
		assert_int_equal(str_parse_time(cases[i].text, 0, 86400, &out),
		    cases[i].want == NO ? -1 : 0);
		assert_true(out == cases[i].want);
	}
	assert_int_equal(str_parse_time("999ms", 1, 10, &out), -1);
	assert_int_equal(str_parse_time("1s", 1, 10, &out), 0);
}

static void
modes_are_octal(void **state UNUSED)
{
	static const char *const bad[] = { "", "8", "0668", "rw", "-1",
	    "0x1f", "10000", "77777777777777777777", " 660" };
	unsigned out;
	size_t i;

	assert_int_equal(str_parse_mode("0660", &out), 0);
	assert_int_equal(out, 0660);
	assert_int_equal(str_parse_mode("7", &out), 0);
	assert_int_equal(out, 7);
	assert_int_equal(str_parse_mode("07777", &out), 0);
	assert_int_equal(out, 07777);
	assert_int_equal(str_parse_mode("0000022", &out), 0);
	assert_int_equal(out, 022);
	for (i = 0; i < nitems(bad); i++)
		assert_int_equal(str_parse_mode(bad[i], &out), -1);
}

static void
yes_and_no_have_four_spellings(void **state UNUSED)
{
	static const char *const yes[] = { "yes", "on", "true", "1", "YES" };
	static const char *const no[] = { "no", "off", "false", "0", "Off" };
	bool out;
	size_t i;

	for (i = 0; i < nitems(yes); i++) {
		assert_int_equal(str_parse_bool(yes[i], &out), 0);
		assert_true(out);
		assert_int_equal(str_parse_bool(no[i], &out), 0);
		assert_false(out);
	}
	assert_int_equal(str_parse_bool("", &out), -1);
	assert_int_equal(str_parse_bool("y", &out), -1);
	assert_int_equal(str_parse_bool("2", &out), -1);
	assert_int_equal(str_parse_bool("yes ", &out), -1);
}

static const char *
nearest(const char *word)
{
	static const char *const names[] = { "workers", "worker_class",
	    "bind", "pid", "keep_alive", NULL };

	return str_nearest(word, names);
}

static void
slips_of_the_finger_find_the_name(void **state UNUSED)
{
	char longer[200];

	assert_string_equal(nearest("workers"), "workers");
	assert_string_equal(nearest("wrokers"), "workers");
	assert_string_equal(nearest("worker"), "workers");
	assert_string_equal(nearest("workerss"), "workers");
	assert_string_equal(nearest("workerclass"), "worker_class");
	assert_string_equal(nearest("ipd"), "pid");
	assert_string_equal(nearest("keepalive"), "keep_alive");
	assert_null(nearest("pd"));		/* 1 of 2 letters is a lot */
	assert_null(nearest("threads"));
	assert_null(nearest(""));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(nearest(longer));
	longer[63] = '\0';
	assert_null(nearest(longer));
}

static void
words_are_divided_by_blanks(void **state UNUSED)
{
	static const struct {
		const char	*text;
		size_t		 n;
	} cases[] = {
		{ "", 0 }, { " \t ", 0 }, { "one", 1 }, { " one", 1 },
		{ "one two", 2 }, { "\tone \t two  ", 2 }, { "a b c", 3 },
		{ "a b c ", 3 }, { "a b c d", 4 }, { "a b c d e f", 4 },
	};
	char text[32], *words[3];
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		strcpy(text, cases[i].text);
		assert_int_equal(str_words(text, words, 3), cases[i].n);
	}
	strcpy(text, " one\ttwo ");
	assert_int_equal(str_words(text, words, 3), 2);
	assert_string_equal(words[0], "one");
	assert_string_equal(words[1], "two");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_compare_without_case),
		cmocka_unit_test(words_are_divided_by_blanks),
		cmocka_unit_test(words_compare_as_bytes_do),
		cmocka_unit_test(prefixes_are_recognised),
		cmocka_unit_test(blanks_are_trimmed_at_both_ends),
		cmocka_unit_test(lists_own_their_strings),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(numbers_reach_both_ends_of_64_bits),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(times_have_units_and_decimals),
		cmocka_unit_test(modes_are_octal),
		cmocka_unit_test(yes_and_no_have_four_spellings),
		cmocka_unit_test(slips_of_the_finger_find_the_name),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* JSON, written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

static void
assert_written(struct json_out *o, const char *text)
{
	assert_false(o->failed);
	assert_int_equal(buf_len(&o->buf), strlen(text));
	assert_memory_equal(buf_head(&o->buf), text, strlen(text));
	json_out_fini(o);
}

static void
commas_come_by_themselves(void **state UNUSED)
{
	struct json_out o;

	json_out_init(&o, 1024);
	json_open(&o, NULL, '{');
	json_bool(&o, "ok", true);
	json_open(&o, "list", '[');
	json_int(&o, NULL, -1);
	json_int(&o, NULL, INT64_MAX);
	json_open(&o, NULL, '{');
	json_close(&o, '}');
	json_open(&o, NULL, '[');
	json_close(&o, ']');
	json_str(&o, NULL, "[");
	json_str(&o, NULL, "");
	json_close(&o, ']');
	json_bool(&o, "no", false);
	json_close(&o, '}');
	assert_written(&o, "{\"ok\":true,\"list\":[-1,9223372036854775807,{},"
	    "[],\"[\",\"\"],\"no\":false}");
}

static void
texts_are_escaped(void **state UNUSED)
{
	static const struct {
		const char	*text, *json;
	} cases[] = {
		{ "plain", "\"plain\"" },
		{ "\"\\/", "\"\\\"\\\\/\"" },
		{ "a\nb\x01\x7f", "\"a\\u000ab\\u0001\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x84",
		    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x84\"" },
		/* Alone, cut, too long, surrogate, beyond the end. */
		{ "\x80", "\"\\ufffd\"" },
		{ "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xc0\xaf", "\"\\ufffd\\ufffd\"" },
		{ "\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xff", "\"\\ufffd\"" },
	};
	struct json_out o;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		json_out_init(&o, 1024);
		json_str(&o, NULL, cases[i].text);
		assert_written(&o, cases[i].json);
	}
}

static void
too_much_is_noticed_at_the_end(void **state UNUSED)
{
	struct json_out o;
	char text[8192];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_out_init(&o, 8192);
	json_str(&o, NULL, text);
	assert_true(o.failed);
	json_out_fini(&o);
}

static void
what_is_written_can_be_read(void **state UNUSED)
{
	static const char text[] = " { \"a\" : [ 1, -2.5e3 , true,false,null, "
	    "\"\\u00e9\\n\\\"\\u20ac\" ] ,\t\"b\":{\"c\":{}} , \"n\" : 42 }\r\n";
	const struct json *j, *v;
	struct arena arena;

	arena_init(&arena, 256, 65536);
	j = json_read(&arena, text, strlen(text));
	assert_non_null(j);
	assert_int_equal(j->kind, JSON_OBJECT);
	v = json_find(j, "a")->first;
	assert_string_equal(v->text, "1");
	v = v->next;
	assert_string_equal(v->text, "-2.5e3");
	v = v->next;
	assert_int_equal(v->kind, JSON_TRUE);
	v = v->next->next;
	assert_int_equal(v->kind, JSON_NULL);
	v = v->next;
	assert_string_equal(v->text, "\xc3\xa9\n\"\xe2\x82\xac");
	assert_null(v->next);
	assert_int_equal(json_find_int(j, "n"), 42);
	assert_non_null(json_find(json_find(j, "b"), "c"));
	assert_null(json_find(j, "c"));
	assert_string_equal(json_find_text(j, "nosuch"), "");
	assert_int_equal(json_find_int(NULL, "n"), 0);
	assert_false(json_find_bool(j, "n"));
	arena_fini(&arena);
}

static void
what_is_not_json_is_nothing(void **state UNUSED)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "[1", "[1,", "[1,]", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "\"", "\"\\\"",
		"\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\n\"", "tru", "nul",
		"truex", "1 2", "{} {}", "[1 2]", "\"a\" \"b\"",
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"
	};
	struct arena arena;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		arena_init(&arena, 256, 65536);
		assert_null(json_read(&arena, bad[i], strlen(bad[i])));
		arena_fini(&arena);
	}
}

static void
every_beginning_of_a_text_is_safe(void **state UNUSED)
{
	static const char text[] =
	    "{\"ok\":true,\"apps\":[{\"name\":\"a\\u00ff\\\\\",\"n\":-1}]}";
	struct arena arena;
	size_t n;

	for (n = 0; n < strlen(text); n++) {
		arena_init(&arena, 256, 65536);
		assert_null(json_read(&arena, text, n));
		arena_fini(&arena);
	}
}

static void
an_arena_that_is_full_is_nothing(void **state UNUSED)
{
	struct arena arena;

	arena_init(&arena, 64, 128);
	assert_null(json_read(&arena, "[1,2,3,4,5,6,7,8]", 17));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_come_by_themselves),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(too_much_is_noticed_at_the_end),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(what_is_not_json_is_nothing),
		cmocka_unit_test(every_beginning_of_a_text_is_safe),
		cmocka_unit_test(an_arena_that_is_full_is_nothing),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}

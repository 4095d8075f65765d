/* SPDX-License-Identifier: MIT */
/* The file as a stream of items, where libinih would cut in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/ini.h"

static struct buf trace;

/* An item as "line[section]key=value", "+" where it continues. */
static int
on_item(void *arg UNUSED, const struct ini_item *item, struct err *err)
{
	if (item->key != NULL && strcmp(item->key, "refuse") == 0)
		return err_set(err, "refused");
	if (item->key == NULL)
		return buf_printf(&trace, "%d[%s] ", item->line,
		    item->section);
	return buf_printf(&trace, "%d[%s]%s%s=%s ", item->line, item->section,
	    item->key, item->continued ? "+" : "", item->value);
}

static const struct ini_sink sink = { on_item, NULL };

/* The items of a text, or the sentence that ends it. Valid until the next. */
static const char *
parse_bytes(const char *text, size_t len)
{
	static char out[32768];
	char *copy = malloc(len + 1);	/* ends where the text does */
	struct err err;
	size_t n;

	buf_init(&trace, sizeof(out) - 1);
	memcpy(copy, text, len);
	copy = xreallocarray(copy, len, 1);
	if (ini_parse_text("f", copy, len, &sink, &err) == -1) {
		assert_int_equal(err.code, 2);
		snprintf(out, sizeof(out), "%s", err.text);
	} else {
		n = buf_len(&trace);
		if (n > 0)
			memcpy(out, buf_head(&trace), n);
		out[n > 0 ? n - 1 : 0] = '\0';
	}
	buf_fini(&trace);
	free(copy);
	return out;
}

static const char *
parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

struct text {
	const char	*in;
	const char	*out;
};

static void
items_come_with_section_and_line(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "[a]", "1[a]" },
		{ "[a]\nk=v", "1[a] 2[a]k=v" },
		{ "[a]\nk = v\n\n[b]\nl: w\n", "1[a] 2[a]k=v 4[b] 5[b]l=w" },
		{ "[ a b ]\n", "1[a b]" },
		{ "  [a]\n", "1[a]" },
		{ "[a] ; why\n[b]\t# x\n", "1[a] 2[b]" },
		{ "[]\n", "1[]" },
		{ "k=v\n", "1[]k=v" },
		{ "[a]\nk=\nl =\n", "1[a] 2[a]k= 3[a]l=" },
		{ "[a]\nbind = unix:/x\n", "1[a] 2[a]bind=unix:/x" },
		{ "[a]\nenv = A=B=C\n", "1[a] 2[a]env=A=B=C" },
		{ "[a]\n=v\n", "1[a] 2[a]=v" },
		{ "[a]\r\nk = v\r\n", "1[a] 2[a]k=v" },
		{ "\xef\xbb\xbf[a]\nk=v\n", "1[a] 2[a]k=v" },
		{ "\xef\xbb\xbf", "" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(parse(cases[i].in), cases[i].out);
}

static void
comments_are_whole_lines(void **state UNUSED)
{
	assert_string_equal(parse("; c\n# d\n[a]\n  ; e\nk=v ; x # y\n"),
	    "3[a] 5[a]k=v ; x # y");
	assert_string_equal(parse("[a]\nk=v\n  ; no part of it\n"),
	    "1[a] 2[a]k=v");
}

static void
indented_lines_continue_a_key(void **state UNUSED)
{
	assert_string_equal(parse("[a]\nk = 1\n  2\n\t3\n\n 4\nl=5\n 6\n"),
	    "1[a] 2[a]k=1 3[a]k+=2 4[a]k+=3 6[a]k+=4 7[a]l=5 8[a]l+=6");
	/* The first key of a section may be indented, it continues nothing. */
	assert_string_equal(parse("[a]\nk=1\n[b]\n l=2\n"),
	    "1[a] 2[a]k=1 3[b] 4[b]l=2");
	/* An address on such a line is no heading. */
	assert_string_equal(parse("[a]\nbind =\n  [::1]:80\n"),
	    "1[a] 2[a]bind= 3[a]bind+=[::1]:80");
	assert_string_equal(parse("[a]\nk =\n  b = c\n"),
	    "1[a] 2[a]k= 3[a]k+=b = c");
}

static void
what_is_neither_is_refused_at_its_line(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "[a]\nfoo\n", "f:2: neither a [section] nor key = value" },
		{ "[a]\nk=v\nfoo", "f:3: neither a [section] nor key = value" },
		{ "\n[a\n", "f:2: a section's heading has no ]" },
		{ "[", "f:1: a section's heading has no ]" },
		{ "[a] b\n",
		    "f:1: there is text behind a section's heading" },
		{ "[a] = b\n",
		    "f:1: there is text behind a section's heading" },
		{ "[a]\nrefuse = 1\nfoo\n", "f:2: refused" },
		{ "[a]\nk = 1\nrefuse = 1\n[b\n", "f:3: refused" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(parse(cases[i].in), cases[i].out);
}

static void
nul_bytes_are_refused(void **state UNUSED)
{
	assert_string_equal(parse_bytes("[a]\nk=\0v\n", 9),
	    "f:2: the line has a NUL byte");
	assert_string_equal(parse_bytes("\0", 1),
	    "f:1: the line has a NUL byte");
}

/* A value that makes the line len bytes long, and a line behind it. */
static const char *
parse_line_of(size_t len, const char *end)
{
	char *text = xmalloc(len + 32);
	const char *out;

	memset(text, 'x', len);
	memcpy(text, "k=", 2);
	sprintf(text + len, "%sl=1%s", end, end);
	out = parse(text);
	free(text);
	return out;
}

/* libinih's own buffer would split the first two, and lose their tails. */
static void
long_lines_are_whole_or_refused(void **state UNUSED)
{
	static const size_t lengths[] = { 198, 199, 200, 201, 1000, 8188,
	    8189 };
	const char *out;
	size_t i;

	for (i = 0; i < nitems(lengths); i++) {
		out = parse_line_of(lengths[i], "\n");
		assert_int_equal(strlen(out), strlen("1[]k= 2[]l=1") +
		    lengths[i] - 2);
		assert_string_equal(out + strlen(out) - 8, "x 2[]l=1");
	}
	assert_string_equal(parse_line_of(8190, "\n"),
	    "f:1: the line has more than 8189 bytes");
	assert_string_equal(parse_line_of(100000, "\n"),
	    "f:1: the line has more than 8189 bytes");
	assert_int_equal(strlen(parse_line_of(8188, "\r\n")),
	    strlen("1[]k= 2[]l=1") + 8186);
}

static void
section_names_are_whole_or_refused(void **state UNUSED)
{
	char text[80], want[80];

	snprintf(text, sizeof(text), "[%049d]\n", 7);
	snprintf(want, sizeof(want), "1[%049d]", 7);
	assert_string_equal(parse(text), want);
	snprintf(text, sizeof(text), "[%050d]\n", 7);
	assert_string_equal(parse(text),
	    "f:1: a section's name has more than 49 bytes");
}

static void
files_that_cannot_be_read_are_named(void **state UNUSED)
{
	char path[] = "/tmp/test_ini.XXXXXX", big[65536] = { 0 };
	struct err err;
	int fd, i;

	assert_int_equal(ini_parse_path("/nonexistent.conf", &sink, &err), -1);
	assert_string_equal(err.text,
	    "/nonexistent.conf: No such file or directory");
	assert_int_equal(err.code, 2);
	assert_int_equal(ini_parse_path("/tmp", &sink, &err), -1);
	assert_string_equal(err.text, "/tmp: Is a directory");
	assert_true((fd = mkstemp(path)) != -1);
	buf_init(&trace, 1024);
	assert_int_equal(ini_parse_path(path, &sink, &err), 0);
	assert_int_equal(write(fd, "[a]\nk=v\n", 8), 8);
	assert_int_equal(ini_parse_path(path, &sink, &err), 0);
	assert_memory_equal(buf_head(&trace), "1[a] 2[a]k=v ", 13);
	for (i = 0; i < 17; i++)
		assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
	assert_int_equal(ini_parse_path(path, &sink, &err), -1);
	assert_non_null(strstr(err.text, ": File too large"));
	buf_fini(&trace);
	unlink(path);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_with_section_and_line),
		cmocka_unit_test(comments_are_whole_lines),
		cmocka_unit_test(indented_lines_continue_a_key),
		cmocka_unit_test(what_is_neither_is_refused_at_its_line),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(long_lines_are_whole_or_refused),
		cmocka_unit_test(section_names_are_whole_or_refused),
		cmocka_unit_test(files_that_cannot_be_read_are_named),
	};

	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}

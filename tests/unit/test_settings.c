/* SPDX-License-Identifier: MIT */
/* The settings table itself, and each kind of value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/settings.h"
#include "proto/proto.h"

static struct app_settings app;
static struct master_settings master;

static void *
base_of(const struct setting *row)
{
	return row->scope == SCOPE_APP ? (void *)&app : (void *)&master;
}

static int
fini(void **state UNUSED)
{
	size_t i;

	for (i = 0; i < settings_count; i++)
		setting_free(&settings_table[i], base_of(&settings_table[i]));
	return 0;
}

/* Parse into app and format again. */
static const char *
echo(const char *name, const char *text)
{
	static char out[256];
	const struct setting *row = setting_find(name);
	struct err err;

	assert_non_null(row);
	if (setting_parse(row, base_of(row), text, &err) == -1)
		return strcpy(out, err.text);
	setting_format(row, base_of(row), out, sizeof(out));
	return out;
}

static void
every_row_has_a_sentence_of_help(void **state UNUSED)
{
	const struct setting *row;
	size_t len;

	for (row = settings_table; row < settings_table + settings_count;
	    row++) {
		len = strlen(row->help);
		assert_true(len > 10);
		assert_true(isupper((unsigned char)row->help[0]) ||
		    strncmp(row->help, "NAME", 4) == 0);
		assert_int_equal(row->help[len - 1], '.');
		assert_null(strchr(row->help, '|'));
		assert_null(strchr(row->help, '\n'));
	}
}

static void
names_and_letters_are_unique(void **state UNUSED)
{
	const struct setting *a, *b;

	for (a = settings_table; a < settings_table + settings_count; a++) {
		assert_ptr_equal(setting_find(a->name), a);
		for (b = settings_table; b < a; b++)
			assert_true(a->letter == 0 || a->letter != b->letter);
		/* Taken by --config, --help, --version. */
		assert_null(strchr("chv", a->letter == 0 ? 'x' : a->letter));
	}
}

static void
every_default_parses_and_comes_back(void **state UNUSED)
{
	const struct setting *row;
	char out[256];
	struct err err;

	for (row = settings_table; row < settings_table + settings_count;
	    row++) {
		assert_int_equal(setting_parse(row, base_of(row), row->deflt,
		    &err), 0);
		setting_format(row, base_of(row), out, sizeof(out));
		assert_string_equal(out, row->deflt);
	}
}

static void
choices_are_there_for_enums_only(void **state UNUSED)
{
	size_t i;

	for (i = 0; i < settings_count; i++)
		assert_int_equal(settings_table[i].kind == SET_ENUM,
		    *settings_table[i].choices != '\0');
}

static void
protocols_are_auto_and_the_codecs(void **state UNUSED)
{
	char want[128] = "auto";
	size_t i;

	for (i = 0; protos[i] != NULL; i++) {
		strcat(want, ",");
		strcat(want, protos[i]->name);
	}
	assert_string_equal(setting_find("protocol")->choices, want);
	echo("protocol", "uwsgi");
	assert_int_equal(app.protocol, PROTOCOL_UWSGI);
	echo("protocol", "fastcgi");
	assert_int_equal(app.protocol, PROTOCOL_FASTCGI);
	echo("path_source", "request-uri");
	assert_int_equal(app.path_source, PATH_REQUEST_URI);
	echo("url_scheme", "https");
	assert_int_equal(app.url_scheme, SCHEME_HTTPS);
}

static void
names_are_found_with_dashes_too(void **state UNUSED)
{
	assert_ptr_equal(setting_find("keep-alive"), setting_find("keep_alive"));
	assert_null(setting_find("keepalive"));
	assert_null(setting_find(""));
	assert_null(setting_find("a-name-that-is-longer-than-any-setting-of-"
	    "saola-could-ever-be-called"));
	assert_string_equal(setting_nearest("keepalive"), "keep_alive");
	assert_string_equal(setting_nearest("worker-clas"), "worker_class");
	assert_null(setting_nearest("xyzzy"));
}

struct text {
	const char	*name;
	const char	*in;
	const char	*out;		/* as formatted, or the sentence */
};

static void
values_are_read_and_written(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "backlog", "-1", "-1" },
		{ "backlog", "65535", "65535" },
		{ "backlog", "65536",
		    "backlog: 65536 is not a number from -1 to 65535" },
		{ "backlog", "",
		    "backlog: an empty value is not a number from -1 to 65535" },
		{ "body_memory", "65536", "64k" },
		{ "body_memory", "1048576", "1m" },
		{ "body_memory", "1g", "1g" },
		{ "body_memory", "1025", "1025" },
		{ "body_memory", "0", "0" },
		{ "body_memory", "1025m", "body_memory: 1025m is not a size "
		    "from 0 to 1g (bytes, or with k, m or g)" },
		{ "keep_alive", "1.5m", "90s" },
		{ "keep_alive", "250ms", "250ms" },
		{ "keep_alive", "1d", "86400s" },
		{ "keep_alive", "2d", "keep_alive: 2d is not a time from 0 to "
		    "86400 s (seconds, or with ms, s, m, h or d)" },
		{ "preload", "on", "yes" },
		{ "preload", "0", "no" },
		{ "preload", "maybe", "preload: maybe is neither yes nor no" },
		{ "protocol", "uwsgi", "uwsgi" },
		{ "protocol", "http", "protocol: http is not known; choose "
		    "one of: auto,fastcgi,uwsgi" },
		{ "protocol", "aut", "protocol: aut is not known; choose "
		    "one of: auto,fastcgi,uwsgi" },
		{ "protocol", "", "protocol: an empty value is not known; "
		    "choose one of: auto,fastcgi,uwsgi" },
		{ "worker_class", "gevent", "worker_class: gevent is not "
		    "known; choose one of: sync,threaded,async" },
		{ "worker_class", "gthread", "threaded" },
		{ "protocol", "gthread", "protocol: gthread is not known; "
		    "choose one of: auto,fastcgi,uwsgi" },
		{ "chdir", "/srv", "/srv" },
		{ "chdir", "", "" },
		{ "umask", "22", "0022" },
		{ "umask", "", "" },
		{ "umask", "1777", "umask: 1777 is not an octal mode up to "
		    "0777" },
		{ "socket_mode", "rw", "socket_mode: rw is not an octal mode "
		    "up to 0777" },
		{ "workers", "auto", "auto" },
		{ "workers", "4096", "4096" },
		{ "workers", "0", "workers: 0 is not from 1 to 4096" },
		{ "workers", "-3", "workers: -3 is not from 1 to 4096" },
		{ "workers", "2..5", "workers: 2..5 is not a number or auto" },
		{ "workers", "Auto", "workers: Auto is not a number or auto" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(echo(cases[i].name, cases[i].in),
		    cases[i].out);
}

static void
unset_values_have_a_form_of_their_own(void **state UNUSED)
{
	echo("chdir", "/srv");
	echo("chdir", "");
	assert_null(app.chdir);
	echo("umask", "");
	assert_true(app.umask == SETTING_NO_MODE);
}

static void
lists_append_and_some_are_separated_by_commas(void **state UNUSED)
{
	strlist_fini(&app.bind);
	strlist_fini(&app.env);
	strlist_fini(&app.pythonpath);
	assert_string_equal(echo("bind", "unix:/a,b"), "unix:/a,b");
	assert_string_equal(echo("bind", "[::1]:80"), "unix:/a,b\n[::1]:80");
	assert_string_equal(echo("bind", ""), "unix:/a,b\n[::1]:80");
	assert_string_equal(echo("env", "A= 1,2 "), "A= 1,2 ");
	assert_string_equal(echo("pythonpath", " /a, ,/b ,"), "/a\n/b");
	assert_int_equal(app.pythonpath.n, 2);
}

/* A field, so formatted, may be longer than the room for it. */
static void
formatting_stays_in_its_room(void **state UNUSED)
{
	const struct setting *row = setting_find("bind");
	char out[8];

	strlist_fini(&app.bind);
	echo("bind", "abc");
	echo("bind", "defghij");
	echo("bind", "k");
	memset(out, 'z', sizeof(out));
	setting_format(row, &app, out, 6);
	assert_string_equal(out, "abc\nd");
	assert_int_equal(out[6], 'z');
	setting_format(row, &app, out, 0);
	assert_int_equal(out[0], 'a');
}

static void
copies_are_equal_until_one_changes(void **state UNUSED)
{
	static const char *const values[][3] = {
		{ "backlog", "5", "6" }, { "body_limit", "1k", "2k" },
		{ "keep_alive", "1s", "2s" }, { "preload", "yes", "no" },
		{ "protocol", "auto", "uwsgi" }, { "chdir", "/a", "/b" },
		{ "chdir", "/a", "" }, { "bind", "a", "b" },
		{ "umask", "", "0" }, { "workers", "auto", "1" },
		{ "workers", "2", "1" },
	};
	struct app_settings other = { 0 };
	const struct setting *row;
	struct err err;
	size_t i;

	for (i = 0; i < nitems(values); i++) {
		row = setting_find(values[i][0]);
		setting_free(row, &app);
		setting_free(row, &other);
		assert_int_equal(setting_parse(row, &app, values[i][1], &err),
		    0);
		setting_copy(row, &other, &app);
		assert_true(setting_equal(row, &app, &other));
		if (row->kind == SET_LIST)
			setting_free(row, &other);
		assert_int_equal(setting_parse(row, &other, values[i][2],
		    &err), 0);
		assert_false(setting_equal(row, &app, &other));
		setting_copy(row, &other, &app);
		assert_true(setting_equal(row, &app, &other));
		setting_free(row, &other);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_a_sentence_of_help),
		cmocka_unit_test(names_and_letters_are_unique),
		cmocka_unit_test(every_default_parses_and_comes_back),
		cmocka_unit_test(choices_are_there_for_enums_only),
		cmocka_unit_test(protocols_are_auto_and_the_codecs),
		cmocka_unit_test(names_are_found_with_dashes_too),
		cmocka_unit_test(values_are_read_and_written),
		cmocka_unit_test(unset_values_have_a_form_of_their_own),
		cmocka_unit_test(lists_append_and_some_are_separated_by_commas),
		cmocka_unit_test(formatting_stays_in_its_room),
		cmocka_unit_test(copies_are_equal_until_one_changes),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, fini);
}

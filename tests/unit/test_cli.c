/* SPDX-License-Identifier: MIT */
/* The command line as layers, and the words of SAOLA_CMD_ARGS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/cli.h"
#include "conf/gunicorn.h"

/* What a text of options comes to: "name=value ...", or the sentence. */
static const char *
options(const char *text)
{
	static char out[4096];
	struct cli cli = { 0 };
	struct err err;
	size_t i, at = 0;

	out[0] = '\0';
	if (cli_parse_text(&cli, text, "cmd", &err) == -1) {
		assert_int_equal(err.code, 2);
		strcpy(out, err.text);
	} else {
		for (i = 0; i < cli.set.n; i++)
			at += (size_t)sprintf(out + at, "%s%s=%s",
			    i > 0 ? " " : "", cli.set.v[i].row->name,
			    cli.set.v[i].text);
	}
	cli_fini(&cli);
	return out;
}

struct text {
	const char	*in;
	const char	*out;
};

static void
options_are_the_rows_of_the_table(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "", "" },
		{ "-w 3", "workers=3" },
		{ "-w3", "workers=3" },
		{ "--workers 3", "workers=3" },
		{ "--workers=3", "workers=3" },
		{ "--keep-alive 5s", "keep_alive=5s" },
		{ "--preload", "preload=yes" },
		{ "--no-preload", "preload=no" },
		{ "--no-sendfile", "sendfile=no" },
		{ "-D", "daemon=yes" },
		{ "-b a -b b", "bind=a bind=b" },
		{ "-w 1 -w 2", "workers=1 workers=2" },
		{ "--chdir=", "chdir=" },
		{ "-e A=1", "env=A=1" },
		{ "--env=A=1", "env=A=1" },
		{ "--backlog -1", "backlog=-1" },
		{ "-k sync", "worker_class=sync" },
		{ "a:b", "application=a:b" },
		{ "--application a:b", "application=a:b" },
		{ "a:b -w 2", "application=a:b workers=2" },
		{ "-w 2 -- a:b", "workers=2 application=a:b" },
		{ "-- -w", "application=-w" },
		{ "-", "application=-" },
		/* As argparse does: the beginning of one option. */
		{ "--access-logfi -", "access_logfile=-" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(options(cases[i].in), cases[i].out);
}

static void
wrong_options_get_a_sentence(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "--wrokers 2",
		    "cmd: unknown option --wrokers, did you mean --workers?" },
		{ "--keep-alvie=2",
		    "cmd: unknown option --keep-alvie, did you mean "
		    "--keep-alive?" },
		{ "--no-prelaod",
		    "cmd: unknown option --no-prelaod, did you mean "
		    "--no-preload?" },
		{ "--chekc-config",
		    "cmd: unknown option --chekc-config, did you mean "
		    "--check-config?" },
		{ "--xyzzy", "cmd: unknown option --xyzzy (saola --help lists "
		    "them)" },
		{ "--no-workers", "cmd: unknown option --no-workers, did you "
		    "mean --workers?" },
		{ "-Z", "cmd: unknown option -Z (saola --help lists them)" },
		{ "-DZ", "cmd: unknown option -Z (saola --help lists them)" },
		{ "--limit-request 1",
		    "cmd: option --limit-request is the beginning of several" },
		{ "--workers", "cmd: option --workers needs a value" },
		{ "-w", "cmd: option -w needs a value" },
		{ "-Dw", "cmd: option -w needs a value" },
		{ "--preload=yes", "cmd: option --preload takes no value" },
		{ "--help=x", "cmd: option --help takes no value" },
		{ "a b", "cmd: one application at most, but there are a and b "
		    "(several go into a file)" },
		{ "a -- b", "cmd: one application at most, but there are a "
		    "and b (several go into a file)" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(options(cases[i].in), cases[i].out);
}

static void
gunicorns_names_are_known(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "--preload-app", "preload=yes" },
		{ "--uwsgi-allow-from ::1", "allow_from=::1" },
		{ "--forwarded-allow-ips a", "trusted_proxies=a" },
		{ "--wsgi-app a:b", "application=a:b" },
		{ "--log-file -", "error_logfile=-" },
		{ "--limit-request-field_size 9", "limit_request_field_size=9" },
		{ "--limit-request-field-size 9", "limit_request_field_size=9" },
		{ "--reuse-port -w 1", "workers=1" },
		{ "--worker-tmp-dir /dev/shm -w 1", "workers=1" },
		{ "--certfile x", "cmd: there is no certfile: TLS is the "
		    "proxy's: set it up there" },
		{ "--proxy-protocol", "cmd: there is no proxy-protocol: the "
		    "PROXY protocol is the proxy's: it passes the client's "
		    "address as REMOTE_ADDR" },
		{ "--dirty-workers 2", "cmd: there is no dirty-workers: saola "
		    "has no dirty workers: run them as another [app NAME]" },
		{ "--pidfile x", "cmd: pidfile is called pid here" },
	};
	size_t i;

	log_set_level(LOG_CRIT_);
	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(options(cases[i].in), cases[i].out);
	log_set_level(LOG_INFO_);
}

/* A renamed or aliased name leads to a row, and hides none. */
static void
gunicorns_names_lead_to_settings(void **state UNUSED)
{
	const struct gunicorn_name *g;
	const struct setting *row;

	for (g = gunicorn_names; g < gunicorn_names + gunicorn_count; g++) {
		assert_ptr_equal(gunicorn_find(g->name), g);
		/* This one differs from ours by its underscore only. */
		if (strcmp(g->name, "limit-request-field_size") != 0)
			assert_null(setting_find(g->name));
		if (g->verdict != GUNICORN_ALIAS &&
		    g->verdict != GUNICORN_RENAMED)
			continue;
		assert_non_null(row = setting_find(g->text));
		assert_int_equal(g->has_value, row->kind != SET_BOOL);
	}
	assert_ptr_equal(gunicorn_find("raw_env"), gunicorn_find("raw-env"));
	assert_null(gunicorn_find("raw-en"));
	assert_null(gunicorn_find("raw-env-"));
}

static void
words_are_divided_as_a_shell_does(void **state UNUSED)
{
	static const struct text cases[] = {
		{ "  -w\t1 \n -b x ", "workers=1 bind=x" },
		{ "-e 'A=x y'", "env=A=x y" },
		{ "-e \"A=x y\"", "env=A=x y" },
		{ "-e A=x\\ y", "env=A=x y" },
		{ "-e A='x'\"y\"z", "env=A=xyz" },
		{ "-e \"A=\\\"x\\\"\"", "env=A=\"x\"" },
		{ "-e 'A=\\x'", "env=A=\\x" },
		{ "-e A=\"'\"", "env=A='" },
		{ "--chdir '' -w 1", "chdir= workers=1" },
		{ "-e A=\\", "env=A=\\" },
		{ "-e 'A=x", "cmd: a quote is not closed" },
		{ "\"", "cmd: a quote is not closed" },
		{ "' a' b", "cmd: one application at most, but there are  a "
		    "and b (several go into a file)" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(options(cases[i].in), cases[i].out);
}

static void
many_words_have_room(void **state UNUSED)
{
	char text[2002];
	size_t i;

	for (i = 0; i < 1000; i++)
		memcpy(text + 2 * i, i == 0 ? "b " : "a ", 2);
	text[2000] = '\0';
	assert_string_equal(options(text), "cmd: one application at most, but "
	    "there are b and a (several go into a file)");
}

static enum conf_action
action_of(const char *text)
{
	enum conf_action action;
	struct cli cli = { 0 };
	struct err err;

	assert_int_equal(cli_parse_text(&cli, text, "cmd", &err), 0);
	action = cli.action;
	cli_fini(&cli);
	return action;
}

static void
actions_are_options_too(void **state UNUSED)
{
	struct cli cli = { 0 };
	struct err err;

	assert_int_equal(action_of("a:b"), CONF_RUN);
	assert_int_equal(action_of("-c x"), CONF_RUN);
	assert_int_equal(action_of("--check-config a:b"), CONF_CHECK);
	assert_int_equal(action_of("--print-config"), CONF_PRINT);
	assert_int_equal(action_of("-v"), CONF_VERSION);
	assert_int_equal(action_of("-h"), CONF_HELP);
	assert_int_equal(action_of("--check-config --help"), CONF_HELP);
	assert_int_equal(cli_parse_text(&cli, "-c a --config b --doc man",
	    "cmd", &err), 0);
	assert_string_equal(cli.file, "b");
	assert_string_equal(cli.doc, "man");
	cli_fini(&cli);
}

/* A reload parses the same arguments again, so they must stay as they are. */
static void
arguments_are_left_alone(void **state UNUSED)
{
	char a0[] = "saola", a1[] = "a:b", a2[] = "-w", a3[] = "2";
	char *const argv[] = { a0, a1, a2, a3, NULL };
	struct cli cli = { 0 };
	struct err err;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(cli_parse(&cli, 4, argv, "cmd", &err), 0);
		assert_int_equal(cli.set.n, 2);
		cli_fini(&cli);
		assert_ptr_equal(argv[1], a1);
		assert_ptr_equal(argv[3], a3);
	}
	assert_int_equal(cli_parse(&cli, 0, argv, "cmd", &err), 0);
	assert_int_equal(cli.set.n, 0);
	cli_fini(&cli);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_the_rows_of_the_table),
		cmocka_unit_test(wrong_options_get_a_sentence),
		cmocka_unit_test(gunicorns_names_are_known),
		cmocka_unit_test(gunicorns_names_lead_to_settings),
		cmocka_unit_test(words_are_divided_as_a_shell_does),
		cmocka_unit_test(many_words_have_room),
		cmocka_unit_test(actions_are_options_too),
		cmocka_unit_test(arguments_are_left_alone),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}

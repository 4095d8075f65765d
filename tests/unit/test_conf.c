/* SPDX-License-Identifier: MIT */
/*
 * The configuration as a whole: which layer wins, what is made of nothing, and
 * a long table of mistakes with the sentence that each must get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "conf/doc.h"
#include "conf/layer.h"

#define WORDS	16

static char dir[] = "/tmp/test_conf.XXXXXX";
static struct err err;

static const char *const variables[] = { "WEB_CONCURRENCY", "PORT",
    "FORWARDED_ALLOW_IPS", "SCRIPT_NAME", "SENDFILE", "SAOLA_CMD_ARGS",
    "GUNICORN_CMD_ARGS", "LISTEN_FDS" };

static void
clear_environment(void)
{
	size_t i;

	for (i = 0; i < nitems(variables); i++)
		unsetenv(variables[i]);
}

static int
enter_dir(void **state UNUSED)
{
	clear_environment();
	log_set_level(LOG_CRIT_);
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return -1;
	return mkdir("apps.d", 0700);
}

static int
leave_dir(void **state UNUSED)
{
	unlink("c.conf");
	if (rmdir("apps.d") == -1 || chdir("/") == -1)
		return -1;
	return rmdir(dir);
}

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Load from words separated by blanks. */
static struct conf *
load(const char *text)
{
	char copy[512], *rest = copy, *argv[WORDS + 1];
	int argc = 0;

	snprintf(copy, sizeof(copy), "saola %s", text);
	memset(&err, 0, sizeof(err));
	while (argc < WORDS && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc += *argv[argc] != '\0';
	argv[argc] = NULL;
	return conf_load(argc, argv, &err);
}

static struct conf *
must_load(const char *text)
{
	struct conf *c = load(text);

	if (c == NULL)
		fail_msg("%s: %s", text, err.text);
	return c;
}

static struct conf *
must_load_file(const char *file)
{
	put("c.conf", file);
	return must_load("-c c.conf");
}

static const char *
source(const struct conf_app *app, const char *name)
{
	return layer_source(app->source, setting_find(name));
}

static void
one_application_needs_nothing_else(void **state UNUSED)
{
	struct conf *c = must_load("shop.wsgi:application");
	const struct conf_app *app = c->apps[0];

	assert_int_equal(c->action, CONF_RUN);
	assert_int_equal(c->napps, 1);
	assert_null(c->file);
	assert_string_equal(c->name, "shop.wsgi");
	assert_string_equal(c->m.name, "shop.wsgi");
	assert_string_equal(app->name, "shop.wsgi");
	assert_string_equal(app->where, "command line");
	assert_true(app->inherits_env);
	assert_string_equal(app->s.application, "shop.wsgi:application");
	assert_int_equal(app->s.bind.n, 1);
	assert_string_equal(app->s.bind.v[0], "127.0.0.1:8000");
	assert_string_equal(source(app, "application"), "command line");
	assert_string_equal(source(app, "bind"), "default");
	assert_int_equal(app->s.keep_alive, 75000);
	assert_int_equal(app->s.socket_mode, 0660);
	conf_free(c);
}

static void
names_come_from_the_option_the_file_or_the_module(void **state UNUSED)
{
	struct conf *c;

	c = must_load("blog:create_app('x/y')");
	assert_string_equal(c->name, "blog");
	conf_free(c);
	c = must_load("-n front blog:app");
	assert_string_equal(c->name, "front");
	assert_string_equal(c->apps[0]->name, "blog");
	conf_free(c);
	put("c.conf", "[app a]\napplication=a:a\nbind=unix:/a\n");
	c = must_load("-c ./c.conf");
	assert_string_equal(c->name, "c");
	conf_free(c);
	c = must_load("-c ./c.conf -n d");
	assert_string_equal(c->name, "d");
	conf_free(c);
}

static void
a_file_has_several_applications(void **state UNUSED)
{
	struct conf *c = must_load_file(
	    "[app a]\n"
	    "application = a:app\n"
	    "bind = unix:/a\n"
	    "  unix:/b\n"
	    "workers = 7\n"
	    "[defaults]\n"
	    "workers = 3\n"
	    "env = X=1\n"
	    "[saola]\n"
	    "log_level = warn\n"
	    "[app b-2.c_D]\n"
	    "application = b:app\n"
	    "bind = unix:/c\n");

	assert_int_equal(c->napps, 2);
	assert_string_equal(c->apps[0]->name, "a");
	assert_string_equal(c->apps[0]->where, "c.conf:1");
	assert_false(c->apps[0]->inherits_env);
	assert_int_equal(c->apps[0]->s.bind.n, 2);
	assert_string_equal(c->apps[0]->s.bind.v[1], "unix:/b");
	assert_int_equal(c->apps[0]->s.workers.max, 7);
	assert_string_equal(c->apps[0]->s.env.v[0], "X=1");
	assert_string_equal(c->apps[1]->name, "b-2.c_D");
	assert_int_equal(c->apps[1]->s.workers.max, 3);
	assert_string_equal(source(c->apps[1], "workers"), "c.conf:7");
	assert_int_equal(c->m.log_level, LOG_WARN_);
	conf_free(c);
}

/* One row of a struct for each layer below; each load adds the next one. */
static void
later_layers_win(void **state UNUSED)
{
	static const char *const files[] = {
		"[app a]\napplication=a:a\nbind=unix:/a\n",
		"[defaults]\nworkers=3\n"
		"[app a]\napplication=a:a\nbind=unix:/a\n",
		"[defaults]\nworkers=3\n"
		"[app a]\napplication=a:a\nbind=unix:/a\nworkers=4\n",
	};
	static const char *const sources[] = { "environment WEB_CONCURRENCY",
	    "c.conf:2", "c.conf:6" };
	struct conf *c;
	int i;

	setenv("WEB_CONCURRENCY", "2", 1);
	for (i = 0; i < 3; i++) {
		c = must_load_file(files[i]);
		assert_int_equal(c->apps[0]->s.workers.max, 2 + i);
		assert_string_equal(source(c->apps[0], "workers"), sources[i]);
		conf_free(c);
	}
	setenv("SAOLA_CMD_ARGS", "-w 5", 1);
	c = must_load("-c c.conf");
	assert_int_equal(c->apps[0]->s.workers.max, 5);
	assert_string_equal(source(c->apps[0], "workers"), "SAOLA_CMD_ARGS");
	conf_free(c);
	c = must_load("-c c.conf -w 6");
	assert_int_equal(c->apps[0]->s.workers.max, 6);
	conf_free(c);
	clear_environment();
}

static void
a_list_replaces_the_one_below(void **state UNUSED)
{
	struct conf *c;

	put("c.conf", "[defaults]\nenv=A=1\nenv=B=2\n[app a]\n"
	    "application=a:a\nbind=unix:/a\nbind=unix:/b\nenv=C=3\n");
	c = must_load("-c c.conf");
	assert_int_equal(c->apps[0]->s.env.n, 1);
	assert_string_equal(c->apps[0]->s.env.v[0], "C=3");
	assert_int_equal(c->apps[0]->s.bind.n, 2);
	conf_free(c);
	c = must_load("-c c.conf -b unix:/c -b unix:/d -e D=4 -e E=5");
	assert_string_equal(c->apps[0]->s.bind.v[0], "unix:/c");
	assert_int_equal(c->apps[0]->s.bind.n, 2);
	assert_int_equal(c->apps[0]->s.env.n, 2);
	conf_free(c);
}

static void
an_empty_value_unsets(void **state UNUSED)
{
	struct conf *c = must_load_file("[defaults]\nuser=www\numask=22\n"
	    "env=A=1\n[app a]\napplication=a:a\nbind=unix:/a\nuser=\n"
	    "umask =\nenv=\n");

	assert_null(c->apps[0]->s.user);
	assert_true(c->apps[0]->s.umask == SETTING_NO_MODE);
	assert_int_equal(c->apps[0]->s.env.n, 0);
	conf_free(c);
}

static void
the_environment_is_read(void **state UNUSED)
{
	struct conf *c;

	setenv("WEB_CONCURRENCY", "9", 1);
	setenv("FORWARDED_ALLOW_IPS", "10.0.0.1, unix", 1);
	setenv("SCRIPT_NAME", "/shop", 1);
	setenv("SENDFILE", "no", 1);
	setenv("PORT", "80", 1);
	c = must_load("a:a");
	assert_int_equal(c->apps[0]->s.workers.max, 9);
	assert_int_equal(c->apps[0]->s.trusted_proxies.n, 2);
	assert_string_equal(c->apps[0]->s.trusted_proxies.v[1], "unix");
	assert_string_equal(c->apps[0]->s.root_path, "/shop");
	assert_false(c->apps[0]->s.sendfile);
	assert_string_equal(c->apps[0]->s.bind.v[0], "127.0.0.1:8000");
	conf_free(c);
	setenv("SCRIPT_NAME", "", 1);
	c = must_load("a:a");
	assert_null(c->apps[0]->s.root_path);
	conf_free(c);
	clear_environment();
}

static void
threads_make_a_sync_worker_threaded(void **state UNUSED)
{
	struct conf *c = must_load("--threads 8 a:a");

	assert_int_equal(c->apps[0]->s.worker_class, CLASS_THREADED);
	assert_string_equal(source(c->apps[0], "worker_class"),
	    "threads is more than 1");
	assert_int_equal(conf_threads(c->apps[0]), 8);
	conf_free(c);
	c = must_load("-k threaded a:a");
	assert_string_equal(source(c->apps[0], "worker_class"),
	    "command line");
	assert_int_equal(conf_threads(c->apps[0]), 1);
	conf_free(c);
	c = must_load("--threads 1 a:a");
	assert_int_equal(c->apps[0]->s.worker_class, CLASS_SYNC);
	assert_int_equal(conf_threads(c->apps[0]), 1);
	conf_free(c);
}

static void
gunicorns_arguments_count_without_ours(void **state UNUSED)
{
	struct conf *c;

	setenv("GUNICORN_CMD_ARGS", "--workers=5 --preload-app", 1);
	c = must_load("a:a");
	assert_int_equal(c->apps[0]->s.workers.max, 5);
	assert_true(c->apps[0]->s.preload);
	assert_string_equal(source(c->apps[0], "workers"),
	    "GUNICORN_CMD_ARGS");
	conf_free(c);
	setenv("SAOLA_CMD_ARGS", "", 1);
	c = must_load("a:a");
	assert_true(c->apps[0]->s.workers.automatic);
	conf_free(c);
	setenv("SAOLA_CMD_ARGS", "-n x --check-config b:b", 1);
	c = must_load("");
	assert_int_equal(c->action, CONF_CHECK);
	assert_string_equal(c->apps[0]->s.application, "b:b");
	conf_free(c);
	c = must_load("c:c");
	assert_string_equal(c->apps[0]->s.application, "c:c");
	conf_free(c);
	clear_environment();
}

static void
passed_sockets_count_as_a_bind(void **state UNUSED)
{
	struct conf *c;

	setenv("LISTEN_FDS", "1", 1);
	c = must_load("a:a");
	assert_int_equal(c->apps[0]->s.bind.n, 0);
	conf_free(c);
	c = must_load_file("[app a]\napplication=a:a\n");
	assert_int_equal(c->apps[0]->s.bind.n, 0);
	conf_free(c);
	clear_environment();
}

static void
options_overlay_every_application(void **state UNUSED)
{
	struct conf *c;

	put("c.conf", "[app a]\napplication=a:a\nbind=unix:/a\nworkers=1\n"
	    "[app b]\napplication=b:b\nbind=unix:/b\n");
	c = must_load("-c c.conf -w 4 --preload");
	assert_int_equal(c->apps[0]->s.workers.max, 4);
	assert_int_equal(c->apps[1]->s.workers.max, 4);
	assert_true(c->apps[1]->s.preload);
	conf_free(c);
	put("c.conf", "[app a]\napplication=a:a\nbind=unix:/a\n");
	c = must_load("-c c.conf b:b");
	assert_string_equal(c->apps[0]->name, "a");
	assert_string_equal(c->apps[0]->s.application, "b:b");
	conf_free(c);
	put("c.conf", "[defaults]\nworkers=2\n");
	c = must_load("-c c.conf b:b");
	assert_string_equal(c->apps[0]->name, "b");
	assert_int_equal(c->apps[0]->s.workers.max, 2);
	assert_true(c->apps[0]->inherits_env);
	conf_free(c);
}

static void
files_are_included_by_pattern(void **state UNUSED)
{
	char text[256];
	struct conf *c;

	put("apps.d/2.conf", "[app b]\napplication=b:b\nbind=unix:/b\n");
	put("apps.d/1.conf", "[app a]\napplication=a:a\nbind=unix:/a\n");
	put("apps.d/x.off", "nonsense");
	put("c.conf", "[saola]\ninclude = apps.d/*.conf\n  none.d/*.conf\n");
	c = must_load("-c c.conf");
	assert_int_equal(c->napps, 2);
	assert_string_equal(c->apps[0]->name, "a");
	assert_string_equal(c->apps[1]->where, "apps.d/2.conf:1");
	conf_free(c);
	/* Relative to the file, wherever we are. */
	assert_int_equal(chdir("/"), 0);
	snprintf(text, sizeof(text), "-c %s/c.conf", dir);
	c = must_load(text);
	assert_int_equal(c->napps, 2);
	conf_free(c);
	assert_int_equal(chdir(dir), 0);
	put("apps.d/2.conf", "[app b]\nwrokers = 2\n");
	assert_null(load("-c c.conf"));
	assert_string_equal(err.text,
	    "apps.d/2.conf:2: unknown key wrokers, did you mean workers?");
	put("apps.d/2.conf", "[saola]\ninclude=x\n");
	assert_null(load("-c c.conf"));
	assert_string_equal(err.text,
	    "apps.d/2.conf:1: section [saola] is already at c.conf:1");
	unlink("apps.d/1.conf");
	unlink("apps.d/2.conf");
	unlink("apps.d/x.off");
}

static void
gunicorns_keys_are_known(void **state UNUSED)
{
	struct conf *c = must_load_file("[app a]\napplication=a:a\n"
	    "bind=unix:/a\nuwsgi_allow_from=::1\nreuse_port=yes\n"
	    "preload_app=yes\n");

	assert_string_equal(c->apps[0]->s.allow_from.v[0], "::1");
	assert_true(c->apps[0]->s.preload);
	conf_free(c);
}

static void
help_and_its_kin_need_no_application(void **state UNUSED)
{
	struct conf *c;

	c = must_load("--help");
	assert_int_equal(c->action, CONF_HELP);
	conf_free(c);
	c = must_load("--version -c nonexistent");
	assert_int_equal(c->action, CONF_VERSION);
	conf_free(c);
	c = must_load("--doc man");
	assert_int_equal(c->action, CONF_DOC);
	assert_string_equal(c->doc, "man");
	conf_free(c);
	conf_free(NULL);
}

/* What conf_print writes is a file that comes to the same values. */
static void
printed_values_load_back(void **state UNUSED)
{
	struct conf *a, *b;
	FILE *f;
	size_t i;

	put("c.conf", "[saola]\nlog_level=debug\nname=x\n"
	    "[defaults]\nkeep_alive=250ms\nbody_limit=3m\n"
	    "[app a]\napplication=a:a\nbind=unix:/a\n unix:/b\numask=27\n"
	    "env=A=x ; y # z\nenv=B=\nworkers=3\naccess_logformat=%(h)s;\n"
	    "[app b]\napplication=b:b\nbind=[::1]:9000\n");
	a = must_load("-c c.conf --pythonpath /x,/y");
	f = fopen("d.conf", "w");
	assert_non_null(f);
	doc_write_values(f, a);
	fclose(f);
	b = must_load("-c d.conf");
	unlink("d.conf");
	assert_int_equal(a->napps, b->napps);
	for (i = 0; i < settings_count; i++) {
		if (settings_table[i].scope == SCOPE_MASTER) {
			assert_true(setting_equal(&settings_table[i], &a->m,
			    &b->m));
			continue;
		}
		assert_true(setting_equal(&settings_table[i], &a->apps[0]->s,
		    &b->apps[0]->s));
		assert_true(setting_equal(&settings_table[i], &a->apps[1]->s,
		    &b->apps[1]->s));
	}
	conf_free(a);
	conf_free(b);
}

static void
workers_say_where_their_number_comes_from(void **state UNUSED)
{
	struct conf *c = must_load("-w 6 a:a");
	char why[64];

	assert_int_equal(conf_workers(c->apps[0], why, sizeof(why)), 6);
	assert_string_equal(why, "command line");
	conf_free(c);
	c = must_load("a:a");
	assert_true(conf_workers(c->apps[0], why, sizeof(why)) >= 1);
	assert_true(strlen(why) > 5);
	conf_free(c);
}

/* A valid application, for mistakes elsewhere. Three lines. */
#define APP	"[app a]\napplication = a:a\nbind = unix:/a\n"

struct mistake {
	const char	*args;		/* NULL: "-c c.conf" */
	const char	*file;
	const char	*sentence;
};

static const struct mistake mistakes[] = {
	/* The command line. */
	{ "", "", "no application; usage: saola [OPTIONS] MODULE:CALLABLE, or "
	    "saola [OPTIONS] -c FILE" },
	{ "a:a b:b", "", "command line: one application at most, but there "
	    "are a:a and b:b (several go into a file)" },
	{ "--bnid x a:a", "", "command line: unknown option --bnid, did you "
	    "mean --bind?" },
	{ "--wrokers=2 a:a", "", "command line: unknown option --wrokers, did "
	    "you mean --workers?" },
	{ "--worker_class sync a:a", "", "command line: unknown option "
	    "--worker_class, did you mean --worker-class?" },
	{ "--graceful-timout 1 a:a", "", "command line: unknown option "
	    "--graceful-timout, did you mean --graceful-timeout?" },
	{ "--sendflie a:a", "", "command line: unknown option --sendflie, did "
	    "you mean --sendfile?" },
	{ "--configg x", "", "command line: unknown option --configg, did you "
	    "mean --config?" },
	{ "--qwertyuiop a:a", "", "command line: unknown option --qwertyuiop "
	    "(saola --help lists them)" },
	{ "-X a:a", "", "command line: unknown option -X (saola --help lists "
	    "them)" },
	{ "a:a -w", "", "command line: option -w needs a value" },
	{ "a:a --bind", "", "command line: option --bind needs a value" },
	{ "a:a --daemon=yes", "", "command line: option --daemon takes no "
	    "value" },
	{ "-w 0 a:a", "", "command line: workers: 0 is not from 1 to 4096" },
	{ "-w 4097 a:a", "", "command line: workers: 4097 is not from 1 to "
	    "4096" },
	{ "-w -1 a:a", "", "command line: workers: -1 is not from 1 to 4096" },
	{ "-w two a:a", "", "command line: workers: two is not a number or "
	    "auto" },
	{ "-w 2..5 a:a", "", "command line: workers: 2..5 is not a number or "
	    "auto" },
	{ "-w= a:a", "", "command line: workers: = is not a number or auto" },
	{ "--workers= a:a", "", "command line: workers: an empty value is not "
	    "a number or auto" },
	{ "-k gevent a:a", "", "command line: worker_class: gevent is not "
	    "known; choose one of: sync,threaded,async" },
	{ "--threads 0 a:a", "", "command line: threads: 0 is not a number "
	    "from 1 to 4096" },
	{ "--protocol http a:a", "", "command line: protocol: http is not "
	    "known; choose one of: auto,fastcgi,uwsgi" },
	{ "--backlog -2 a:a", "", "command line: backlog: -2 is not a number "
	    "from -1 to 65535" },
	{ "--backlog 1e3 a:a", "", "command line: backlog: 1e3 is not a number "
	    "from -1 to 65535" },
	{ "--keep-alive 2w a:a", "", "command line: keep_alive: 2w is not a "
	    "time from 0 to 86400 s (seconds, or with ms, s, m, h or d)" },
	{ "--keep-alive -1 a:a", "", "command line: keep_alive: -1 is not a "
	    "time from 0 to 86400 s (seconds, or with ms, s, m, h or d)" },
	{ "--body-memory 2g a:a", "", "command line: body_memory: 2g is not a "
	    "size from 0 to 1g (bytes, or with k, m or g)" },
	{ "--params-size 1k a:a", "", "command line: params_size: 1k is not a "
	    "size from 4k to 16m (bytes, or with k, m or g)" },
	{ "--params-count 15 a:a", "", "command line: params_count: 15 is not "
	    "a number from 16 to 65000" },
	{ "--socket-mode 0999 a:a", "", "command line: socket_mode: 0999 is "
	    "not an octal mode up to 0777" },
	{ "-m 1000 a:a", "", "command line: umask: 1000 is not an octal mode "
	    "up to 0777" },
	{ "-m rwx a:a", "", "command line: umask: rwx is not an octal mode up "
	    "to 0777" },
	{ "--log-level loud a:a", "", "command line: log_level: loud is not "
	    "known; choose one of: debug,info,warn,error,crit" },
	{ "--url-scheme ftp a:a", "", "command line: url_scheme: ftp is not "
	    "known; choose one of: auto,http,https" },
	{ "-e FOO a:a", "", "command line: env: FOO is not NAME=VALUE" },
	{ "-e =x a:a", "", "command line: env: =x is not NAME=VALUE" },
	{ "-e A=1 -e B a:a", "", "command line: env: B is not NAME=VALUE" },
	{ "--root-path shop a:a", "", "command line: root_path: must begin "
	    "with /" },
	{ "--root-path /shop/ a:a", "", "command line: root_path: must not end "
	    "with /" },
	{ "--root-path / a:a", "", "command line: root_path: must not end with "
	    "/" },
	{ "-b unix:/x -b unix:/x a:a", "", "command line: bind unix:/x is "
	    "already app a's (command line)" },
	{ "--limit-request-line 131073 a:a", "", "command line: "
	    "limit_request_line: 131073 is not a number from 0 to 131072" },

	/* What Gunicorn has. */
	{ "--certfile x a:a", "", "command line: there is no certfile: TLS is "
	    "the proxy's: set it up there" },
	{ "--keyfile x a:a", "", "command line: there is no keyfile: TLS is "
	    "the proxy's: set it up there" },
	{ "--do-handshake-on-connect a:a", "", "command line: there is no "
	    "do-handshake-on-connect: TLS is the proxy's: set it up there" },
	{ "--proxy-allow-from x a:a", "", "command line: there is no "
	    "proxy-allow-from: the PROXY protocol is the proxy's: it passes "
	    "the client's address as REMOTE_ADDR" },
	{ "--dirty-app x a:a", "", "command line: there is no dirty-app: saola "
	    "has no dirty workers: run them as another [app NAME]" },
	{ "--logger-class x a:a", "", "command line: there is no logger-class: "
	    "saola's log is written in C: configure Python's logging in the "
	    "application" },
	{ NULL, APP "certfile = x\n", "c.conf:4: there is no certfile: TLS is "
	    "the proxy's: set it up there" },
	{ NULL, APP "raw_env = A=1\n", "c.conf:4: raw-env is called env here" },
	{ NULL, APP "keepalive = 2\n", "c.conf:4: keepalive is called "
	    "keep_alive here" },

	/* The file as such. */
	{ "-c nonexistent.conf", "", "nonexistent.conf: No such file or "
	    "directory" },
	{ "-c apps.d", "", "apps.d: Is a directory" },
	{ NULL, "", "c.conf: no [app NAME] section, and no application on the "
	    "command line" },
	{ NULL, "[saola]\n[defaults]\nworkers = 2\n", "c.conf: no [app NAME] "
	    "section, and no application on the command line" },
	{ NULL, "workers = 2\n" APP, "c.conf:1: workers stands before any "
	    "[section]" },
	{ NULL, APP "nonsense\n", "c.conf:4: neither a [section] nor "
	    "key = value" },
	{ NULL, APP "= 3\n", "c.conf:4: there is no key in front "
	    "of =" },
	{ NULL, "[app a\n", "c.conf:1: a section's heading has no ]" },
	{ NULL, "[app a] x\n", "c.conf:1: there is text behind a section's "
	    "heading" },
	{ NULL, "import os\n", "c.conf:1: neither a [section] nor "
	    "key = value" },
	{ NULL, "bind = 'x'\n", "c.conf:1: bind stands before any [section]" },

	/* Sections. */
	{ NULL, "[sola]\n", "c.conf:1: unknown section [sola], did you mean "
	    "[saola]?" },
	{ NULL, "[default]\n", "c.conf:1: unknown section [default], did you "
	    "mean [defaults]?" },
	{ NULL, "[ap]\n", "c.conf:1: unknown section [ap]; there are [saola], "
	    "[defaults] and [app NAME]" },
	{ NULL, "[apps]\n", "c.conf:1: unknown section [apps], did you mean "
	    "[app]?" },
	{ NULL, "[uwsgi]\n", "c.conf:1: unknown section [uwsgi]; there are "
	    "[saola], [defaults] and [app NAME]" },
	{ NULL, "[]\n", "c.conf:1: unknown section []; there are [saola], "
	    "[defaults] and [app NAME]" },
	{ NULL, "[Saola]\n", "c.conf:1: unknown section [Saola], did you mean "
	    "[saola]?" },
	{ NULL, "[app]\n", "c.conf:1: [app] has no name: write [app NAME]" },
	{ NULL, "[app a b]\n", "c.conf:1: application name \"a b\": only "
	    "letters, digits, dot, - and _" },
	{ NULL, "[app a/b]\n", "c.conf:1: application name \"a/b\": only "
	    "letters, digits, dot, - and _" },
	{ NULL, "[app caf\xc3\xa9]\n", "c.conf:1: application name "
	    "\"caf\xc3\xa9\": only letters, digits, dot, - and _" },
	{ NULL, "[app -a]\n", "c.conf:1: application name \"-a\" must begin "
	    "with a letter, a digit or _" },
	{ NULL, "[app ..]\n", "c.conf:1: application name \"..\" must begin "
	    "with a letter, a digit or _" },
	{ NULL, "[app a23456789012345678901234567890123456789012]\n",
	    "c.conf:1: application name "
	    "\"a23456789012345678901234567890123456789012\" is longer than "
	    "40" },
	{ NULL, "[app a2345678901234567890123456789012345678901234567890]\n",
	    "c.conf:1: a section's name has more than 49 bytes" },
	{ NULL, APP "\n[app a]\n", "c.conf:5: section [app a] is already at "
	    "c.conf:1" },
	{ NULL, "[saola]\n" APP "[saola]\n", "c.conf:5: section [saola] is "
	    "already at c.conf:1" },
	{ NULL, "[defaults]\n[defaults]\n", "c.conf:2: section [defaults] is "
	    "already at c.conf:1" },

	/* Keys. */
	{ NULL, APP "wrokers = 2\n", "c.conf:4: unknown key wrokers, did you "
	    "mean workers?" },
	{ NULL, APP "# c\n\nBind = x\n", "c.conf:6: unknown key Bind, did you "
	    "mean bind?" },
	{ NULL, APP "keep-alive = 2\n", "c.conf:4: unknown key keep-alive, "
	    "did you mean keep_alive?" },
	{ NULL, APP "--workers = 2\n", "c.conf:4: unknown key --workers, did "
	    "you mean workers?" },
	{ NULL, APP "qwertyuiop = 2\n", "c.conf:4: unknown key qwertyuiop" },
	{ NULL, APP "unix:/b\n", "c.conf:4: unknown key unix" },
	{ NULL, "[saola]\nincldue = x\n", "c.conf:2: unknown key incldue, did "
	    "you mean include?" },
	{ NULL, APP "workers = 1\nworkers = 2\n", "c.conf:5: workers is "
	    "already set at c.conf:4" },
	{ NULL, APP "preload = yes\npreload_app = yes\n", "c.conf:5: preload "
	    "is already set at c.conf:4" },
	{ NULL, "[saola]\npid = a\npid = a\n", "c.conf:3: pid is already set "
	    "at c.conf:2" },
	{ NULL, APP "pid = /x\n", "c.conf:4: pid belongs into [saola]" },
	{ NULL, "[defaults]\nlog_level = info\n", "c.conf:2: log_level belongs "
	    "into [saola]" },
	{ NULL, "[saola]\nworkers = 2\n", "c.conf:2: workers belongs to an "
	    "application: into [defaults] or [app NAME]" },
	{ NULL, "[saola]\nbind = unix:/x\n", "c.conf:2: bind belongs to an "
	    "application: into [defaults] or [app NAME]" },
	{ NULL, APP "include = x\n", "c.conf:4: include belongs into "
	    "[saola]" },
	{ NULL, "[saola]\ninclude = nothing.conf\n", "c.conf:2: include: there "
	    "is no nothing.conf" },
	{ NULL, "[saola]\ninclude = c.conf\n" APP, "c.conf:1: section [saola] "
	    "is already at c.conf:1" },

	/* Indented lines. */
	{ NULL, APP "user = www\n  data\n", "c.conf:5: an indented line "
	    "continues user above it, which has one value; settings begin in "
	    "the first column" },
	{ NULL, "[app a]\n  application = a:a\n  bind = unix:/a\n", "c.conf:3: "
	    "an indented line continues application above it, but looks like "
	    "a setting; settings begin in the first column" },
	{ NULL, "[app a]\n  env = A=1\n  workers = 2\n", "c.conf:3: an "
	    "indented line continues env above it, but looks like a setting; "
	    "settings begin in the first column" },
	{ NULL, "[saola]\nreuse_port = 1\n  x\n", "c.conf:3: an indented line "
	    "continues reuse_port above it, which has one value; settings "
	    "begin in the first column" },

	/* Values. */
	{ NULL, APP "workers = many\n", "c.conf:4: workers: many is not a "
	    "number or auto" },
	{ NULL, APP "workers = 4 ; four\n", "c.conf:4: workers: 4 ; four is "
	    "not a number or auto" },
	{ NULL, APP "workers =\n", "c.conf:4: workers: an empty value is not "
	    "a number or auto" },
	{ NULL, "[defaults]\nworker_class = prefork\n" APP, "c.conf:2: "
	    "worker_class: prefork is not known; choose one of: "
	    "sync,threaded,async" },
	{ NULL, "[saola]\ndaemon = perhaps\n" APP, "c.conf:2: daemon: perhaps "
	    "is neither yes nor no" },
	{ NULL, APP "preload = True # always\n", "c.conf:4: preload: True # "
	    "always is neither yes nor no" },
	{ NULL, APP "client_timeout = 10 s\n", "c.conf:4: client_timeout: 10 "
	    "s is not a time from 0 to 86400 s (seconds, or with ms, s, m, h "
	    "or d)" },
	{ NULL, APP "drain_timeout = 2h\n", "c.conf:4: drain_timeout: 2h is "
	    "not a time from 0 to 3600 s (seconds, or with ms, s, m, h or "
	    "d)" },
	{ NULL, APP "env = A\n", "c.conf:4: env: A is not NAME=VALUE" },
	{ NULL, APP "env =\n  A=1\n  B\n", "c.conf:6: env: B is not "
	    "NAME=VALUE" },
	{ NULL, APP "root_path = x\n", "c.conf:4: root_path: must begin with "
	    "/" },

	/* Applications. */
	{ NULL, "[app a]\nbind = unix:/a\n", "c.conf:1: app a has no "
	    "application" },
	{ NULL, "[app a]\napplication = a:a\n", "c.conf:1: app a has no "
	    "bind" },
	{ NULL, "[app a]\napplication = a:a\nbind =\n", "c.conf:1: app a has "
	    "no bind" },
	{ NULL, APP "\n[app b]\n", "c.conf:5: app b has no application" },
	{ NULL, APP "bind = unix:/a\n", "c.conf:4: bind unix:/a is already "
	    "app a's (c.conf:4)" },
	{ NULL, APP "[app b]\napplication = b:b\nbind = unix:/a\n", "c.conf:6: "
	    "bind unix:/a is already app a's (c.conf:3)" },
	{ "-c c.conf x:x", APP "[app b]\napplication=b:b\nbind=unix:/b\n",
	    "command line: which of the 2 applications in c.conf is x:x?" },
	{ "-c c.conf -w none", APP, "command line: workers: none is not a "
	    "number or auto" },
	{ "-c c.conf -b unix:/x", APP "[app b]\napplication=b:b\n",
	    "command line: bind unix:/x is already app a's (command line)" },
};

static void
every_mistake_gets_its_sentence(void **state UNUSED)
{
	const struct mistake *m;
	struct conf *c;

	for (m = mistakes; m < mistakes + nitems(mistakes); m++) {
		put("c.conf", m->file);
		c = load(m->args == NULL ? "-c c.conf" : m->args);
		if (c != NULL)
			fail_msg("loads, but should say: %s", m->sentence);
		assert_string_equal(err.text, m->sentence);
		assert_int_equal(err.code, 2);
	}
}

struct env_mistake {
	const char	*name;
	const char	*value;
	const char	*sentence;
};

static void
mistakes_in_the_environment_get_theirs(void **state UNUSED)
{
	static const struct env_mistake cases[] = {
		{ "WEB_CONCURRENCY", "x", "environment WEB_CONCURRENCY: "
		    "workers: x is not a number or auto" },
		{ "SENDFILE", "x", "environment SENDFILE: sendfile: x is "
		    "neither yes nor no" },
		{ "SCRIPT_NAME", "x", "environment SCRIPT_NAME: root_path: "
		    "must begin with /" },
		{ "SAOLA_CMD_ARGS", "--wrokers 2", "SAOLA_CMD_ARGS: unknown "
		    "option --wrokers, did you mean --workers?" },
		{ "SAOLA_CMD_ARGS", "-w x", "SAOLA_CMD_ARGS: workers: x is "
		    "not a number or auto" },
		{ "SAOLA_CMD_ARGS", "'", "SAOLA_CMD_ARGS: a quote is not "
		    "closed" },
		{ "GUNICORN_CMD_ARGS", "--certfile=x", "GUNICORN_CMD_ARGS: "
		    "there is no certfile: TLS is the proxy's: set it up "
		    "there" },
		{ "SAOLA_CMD_ARGS", "-c x.conf", "x.conf: No such file or "
		    "directory" },
	};
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		setenv(cases[i].name, cases[i].value, 1);
		assert_null(load("a:a"));
		assert_string_equal(err.text, cases[i].sentence);
		assert_int_equal(err.code, 2);
		unsetenv(cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_application_needs_nothing_else),
		cmocka_unit_test(
		    names_come_from_the_option_the_file_or_the_module),
		cmocka_unit_test(a_file_has_several_applications),
		cmocka_unit_test(later_layers_win),
		cmocka_unit_test(a_list_replaces_the_one_below),
		cmocka_unit_test(an_empty_value_unsets),
		cmocka_unit_test(the_environment_is_read),
		cmocka_unit_test(gunicorns_arguments_count_without_ours),
		cmocka_unit_test(threads_make_a_sync_worker_threaded),
		cmocka_unit_test(passed_sockets_count_as_a_bind),
		cmocka_unit_test(options_overlay_every_application),
		cmocka_unit_test(files_are_included_by_pattern),
		cmocka_unit_test(gunicorns_keys_are_known),
		cmocka_unit_test(help_and_its_kin_need_no_application),
		cmocka_unit_test(printed_values_load_back),
		cmocka_unit_test(workers_say_where_their_number_comes_from),
		cmocka_unit_test(every_mistake_gets_its_sentence),
		cmocka_unit_test(mistakes_in_the_environment_get_theirs),
	};

	return cmocka_run_group_tests_name("conf", tests, enter_dir,
	    leave_dir);
}

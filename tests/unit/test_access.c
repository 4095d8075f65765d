/* SPDX-License-Identifier: MIT */
/* The access log: formats, atoms, escapes, and a log that does not take it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "req/access_log.h"
#include "req/req.h"

static struct req_conf conf = {
	.params_size = 4096, .params.count_max = 100, .app_name = "shop",
	.worker_id = 3
};
static struct req req;
static struct param pairs[4];
static char path[] = "/tmp/test-access-XXXXXX";
static struct err err;

static enum io_result
sink(struct req *r UNUSED, struct iovec *v UNUSED, int n UNUSED)
{
	return IO_DONE;
}

static const struct req_io io = { .writev = sink };

static void
known(enum param_id id, const char *value)
{
	req.params.known[id] = (struct str){ value, strlen(value) };
}

static void
other(unsigned i, const char *name, const char *value)
{
	pairs[i].name = (struct str){ name, strlen(name) };
	pairs[i].value = (struct str){ value, strlen(value) };
}

static void
answer(void)
{
	const char *why;

	assert_int_equal(resp_start(&req, STR("201 Created"), &why), 0);
	assert_int_equal(resp_header(&req, STR("X-Out"), STR("out"), &why), 0);
	assert_int_equal(resp_header(&req, STR("X-Outer"), STR("outer"), &why),
	    0);
	assert_int_equal(resp_buffer(&req, "12345", 5), 0);
	assert_int_equal(resp_end(&req), IO_DONE);
}

static int
setup(void **state UNUSED)
{
	memset(pairs, 0, sizeof(pairs));
	req_init(&req, &conf);
	req.proto = &fcgi_ops;
	req.io = &io;
	req.accepted_ns = 1000000000;
	known(PARAM_REQUEST_METHOD, "GET");
	known(PARAM_REQUEST_URI, "/a%20b?q=1");
	known(PARAM_REMOTE_ADDR, "192.0.2.7");
	req.params.path_info = STR("/a b");
	req.params.query_string = STR("q=1");
	req.params.server_protocol = STR("HTTP/1.1");
	req.params.v = pairs;
	req.params.n = 4;
	other(1, "HTTP_USER_AGENT", "agent \"x\" \\ \n\xff");
	other(2, "HTTP_X_MINE", "mine");
	other(3, "CONTENT_TYPE", "text/plain");
	answer();
	strcpy(path, "/tmp/test-access-XXXXXX");
	close(mkstemp(path));
	return 0;
}

static int
teardown(void **state UNUSED)
{
	req_fini(&req);
	unlink(path);
	return 0;
}

/* The line that this format makes, 2.0035 s after the first byte. */
static const char *
line(const char *format)
{
	static char text[70000];
	struct access_format *f = access_compile(format, &err);
	struct access_log *log;
	ssize_t n;
	int fd;

	assert_non_null(f);
	assert_int_equal(truncate(path, 0), 0);
	assert_non_null(log = access_log_open(path, f, &err));
	access_log_write(log, &req, 1000000000 + INT64_C(2003500000));
	access_log_close(log);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text));
	close(fd);
	assert_true(n > 0 && text[n - 1] == '\n');
	assert_ptr_equal(memchr(text, '\n', (size_t)n), text + n - 1);
	text[n - 1] = '\0';
	return text;
}

static void
atoms_are_gunicorns(void **state UNUSED)
{
	static const struct {
		const char *format, *wanted;
	} v[] = {
		{ "%(h)s %(l)s %(u)s", "192.0.2.7 - -" },
		{ "%(r)s", "GET /a%20b?q=1 HTTP/1.1" },
		{ "%(m)s|%(U)s|%(q)s|%(H)s", "GET|/a b|q=1|HTTP/1.1" },
		{ "%(s)s %(b)s %(B)s", "201 5 5" },
		{ "%(f)s", "-" },
		{ "%(a)s", "agent \\\"x\\\" \\\\ \\x0a\\xff" },
		{ "%(T)s %(M)s %(D)s %(L)s", "2 2003 2003500 2.003500" },
		{ "%({x-mine}i)s %({X-Mine}i)s %({no}i)s", "mine mine -" },
		{ "%({Content-Type}i)s", "text/plain" },
		{ "%({x-out}o)s %({X-OUTER}o)s %({x-ou}o)s", "out outer -" },
		{ "%({HTTP_X_MINE}e)s %({NO}e)s", "mine -" },
		{ "%(app)s %(wid)s %(why)s %(rx)s", "shop 3 ok 0" },
		{ "100%% of %(m)s%%", "100% of GET%" },
	};
	size_t i;

	for (i = 0; i < nitems(v); i++)
		assert_string_equal(line(v[i].format), v[i].wanted);
}

static void
what_went_wrong_shows(void **state UNUSED)
{
	req.resp.gone = true;
	assert_string_equal(line("%(s)s %(why)s"), "499 aborted");
	req.resp.gone = false;
	req.resp.failed = true;
	assert_string_equal(line("%(s)s %(why)s"), "201 truncated");
	req.resp.wire = 0;
	assert_string_equal(line("%(b)s %(B)s"), "- 0");
	req.resp.timed_out = true;
	assert_string_equal(line("%(s)s %(why)s"), "201 timeout");
	req.resp.timed_out = req.resp.failed = false;
	req.resp.shed = true;
	assert_string_equal(line("%(s)s %(why)s"), "201 shed");
}

static void
wrong_formats_are_named(void **state UNUSED)
{
	static const struct {
		const char *format, *named;
	} v[] = {
		{ "%(nonsense)s", "%(nonsense)s" }, { "%(h)d", "%(h)d" },
		{ "%h", "%h" }, { "100%", "%" }, { "%(h", "%(h" },
		{ "%()s", "%()s" }, { "%({}i)s", "%({}i)s" },
		{ "%({x}z)s", "%({x}z)s" }, { "%({xi)s", "%({xi)s" },
	};
	size_t i;

	for (i = 0; i < nitems(v); i++) {
		assert_null(access_compile(v[i].format, &err));
		assert_int_equal(err.code, 2);
		assert_non_null(strstr(err.text, v[i].named));
	}
}

static void
long_values_make_one_cut_line(void **state UNUSED)
{
	static char big[60001];
	const char *text;

	memset(big, 'x', sizeof(big) - 1);
	known(PARAM_REQUEST_URI, big);
	text = line("%(r)s %(m)s");
	assert_int_equal(strlen(text), 4095);
	assert_string_equal(text + 4095 - 4, "x...");
	memset(big, '\n', sizeof(big) - 1);
	assert_int_equal(strlen(line("%(r)s")), 4095);
}

static void
a_renamed_file_is_opened_again(void **state UNUSED)
{
	struct access_format *f = access_compile("%(m)s", &err);
	struct access_log *log = access_log_open(path, f, &err);
	char old[64];

	snprintf(old, sizeof(old), "%s.1", path);
	assert_int_equal(rename(path, old), 0);
	access_log_write(log, &req, 0);
	assert_int_equal(access(path, F_OK), -1);
	access_log_reopen(log);
	access_log_write(log, &req, 0);
	assert_int_equal(access(path, F_OK), 0);
	access_log_close(log);
	unlink(old);
}

static void
a_log_that_is_full_costs_the_line(void **state UNUSED)
{
	struct access_format *f = access_compile("%(m)s", &err);
	struct access_log *log;
	int out = dup(1), fds[2], i;

	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	dup2(fds[1], 1);
	log = access_log_open("-", f, &err);
	for (i = 0; i < 100000 && access_log_dropped(log) == 0; i++)
		access_log_write(log, &req, 0);
	dup2(out, 1);
	assert_int_equal(access_log_dropped(log), 1);
	access_log_close(log);
	close(out);
	close(fds[0]);
	close(fds[1]);
}

static void
places_that_are_none_are_named(void **state UNUSED)
{
	struct access_format *f = access_compile("%(m)s", &err);

	assert_null(access_log_open("/no/such/access.log", f, &err));
	assert_non_null(strstr(err.text, "/no/such/access.log"));
	assert_null(access_log_open("syslog:nobody", f, &err));
	assert_non_null(strstr(err.text, "nobody"));
	access_free(f);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(atoms_are_gunicorns),
		TEST(what_went_wrong_shows),
		TEST(wrong_formats_are_named),
		TEST(long_values_make_one_cut_line),
		TEST(a_renamed_file_is_opened_again),
		TEST(a_log_that_is_full_costs_the_line),
		TEST(places_that_are_none_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

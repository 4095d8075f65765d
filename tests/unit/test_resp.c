/* SPDX-License-Identifier: MIT */
/* Responses: what is refused, what leaves, and in how many writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fastcgi.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "req/req.h"
#include "req/run.h"

static struct req_conf conf = {
	.params_size = 4096, .params.count_max = 100, .sendfile = true
};
static struct req req;
static const char *why;

/* What reached the wire, and by how many calls. */
static struct buf sent;
static int writes;
static bool peer_left;

static enum io_result
sink_writev(struct req *r UNUSED, struct iovec *v, int n)
{
	int i;

	writes++;
	if (peer_left)
		return IO_GONE;
	for (i = 0; i < n; i++)
		assert_int_equal(buf_add(&sent, v[i].iov_base, v[i].iov_len),
		    0);
	return IO_DONE;
}

static enum io_result
sink_sendfile(struct req *r UNUSED, int fd, int64_t *off, uint64_t n)
{
	static char block[70000];
	ssize_t k = pread(fd, block, (size_t)n, *off);

	assert_true(k >= 0);
	assert_int_equal(buf_add(&sent, block, (size_t)k), 0);
	*off += k;
	return IO_DONE;
}

static const struct req_io sink = {
	.writev = sink_writev, .sendfile = sink_sendfile
};

static void
start_over(const struct proto_ops *proto, const char *method)
{
	req_reset(&req);
	buf_clear(&sent);
	writes = 0;
	peer_left = false;
	req.proto = proto;
	req.io = &sink;
	req.id = 1;
	req.params.known[PARAM_REQUEST_METHOD] =
	    (struct str){ method, strlen(method) };
}

static int
setup(void **state UNUSED)
{
	log_set_level(LOG_CRIT_);
	req_init(&req, &conf);
	buf_init(&sent, 64 << 20);
	start_over(&fcgi_ops, "GET");
	return 0;
}

static int
teardown(void **state UNUSED)
{
	req_fini(&req);
	buf_fini(&sent);
	return 0;
}

static struct str
text(const char *s)
{
	return (struct str){ s, strlen(s) };
}

static int
start(const char *status)
{
	return resp_start(&req, text(status), &why);
}

static int
header(const char *name, const char *value)
{
	return resp_header(&req, text(name), text(value), &why);
}

/*
 * The STDOUT bytes of what was sent, joined; every record is checked. *ended:
 * there was an empty STDOUT and an END_REQUEST, and nothing behind them.
 */
static const char *
stdout_of(bool *ended)
{
	static char out[16 << 20];
	const unsigned char *p = (unsigned char *)buf_head(&sent);
	const unsigned char *end = p + buf_len(&sent);
	size_t len, n = 0;

	for (*ended = false; p < end; p += 8 + len) {
		assert_false(*ended);
		assert_true(end - p >= 8);
		len = (size_t)(p[4] << 8 | p[5]);
		assert_int_equal(p[0], 1);
		assert_int_equal(p[3], 1);
		assert_int_equal(p[6], 0);
		assert_true((size_t)(end - p) >= 8 + len);
		if (p[1] == FCGI_END_REQUEST)
			*ended = true;
		else
			assert_int_equal(p[1], FCGI_STDOUT);
		if (p[1] == FCGI_STDOUT) {
			memcpy(out + n, p + 8, len);
			n += len;
		}
	}
	out[n] = '\0';
	return out;
}

static void
assert_sent(const char *wanted)
{
	bool ended;

	assert_string_equal(stdout_of(&ended), wanted);
	assert_true(ended);
}

static void
a_small_response_is_one_write(void **state UNUSED)
{
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("X-One", "1"), 0);
	assert_int_equal(resp_length(&req, 5), 0);
	assert_int_equal(resp_buffer(&req, "hel", 3), 0);
	assert_int_equal(resp_buffer(&req, "lo", 2), 0);
	assert_int_equal(writes, 0);
	assert_int_equal(resp_end(&req), IO_DONE);
	assert_int_equal(writes, 1);
	assert_sent("X-One: 1\r\nContent-Length: 5\r\nStatus: 200 OK\r\n\r\n"
	    "hello");
	assert_true(req.resp.ended);
	assert_int_equal(req.resp.wire, 5);
	assert_int_equal(resp_end(&req), IO_DONE);
	assert_int_equal(writes, 1);
}

static void
uwsgi_has_a_status_line(void **state UNUSED)
{
	start_over(&uwsgi_ops, "GET");
	assert_int_equal(start("201 Created"), 0);
	assert_int_equal(header("Location", "/x"), 0);
	assert_int_equal(resp_buffer(&req, "ok", 2), 0);
	resp_end(&req);
	assert_int_equal(writes, 1);
	assert_int_equal(buf_add(&sent, "", 1), 0);
	assert_string_equal(buf_head(&sent), "HTTP/1.1 201 Created\r\n"
	    "Location: /x\r\n\r\nok");
}

static void
only_a_valid_status_starts(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "200", "200OK", "20 OK", "2000 OK", "abc OK",
		"100 Continue", "199 X", "101 Switching", "000 X", " 200 OK", "200 O\rK",
		"200 O\nK", "200 \x7f", "200 \t", "-20 OK", "099 X"
	};
	static const char *const good[] = {
		"200 ", "200 OK", "999 X", "600 Y", "404 Nicht gefunden \xfc"
	};
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		why = NULL;
		assert_int_equal(start(bad[i]), -1);
		assert_non_null(why);
		assert_int_equal(req.resp.status, 0);
	}
	for (i = 0; i < nitems(good); i++)
		assert_int_equal(start(good[i]), 0);
	assert_int_equal(resp_start(&req, (struct str){ "200 \0", 5 }, &why),
	    -1);
	assert_int_equal(req.resp.status, 404);
}

static void
only_valid_headers_are_taken(void **state UNUSED)
{
	static const char *const names[] = {
		"", " ", "a b", "a:", "a\r", "a\n", "a\t", "a(", "a\"", "a,",
		"a/", "a;", "a[", "a{", "\x80", "h\xfc", "a\x7f", "Status",
		"STATUS", "status"
	};
	static const char *const values[] = {
		"\r", "\n", "a\r\nb", "aaaaaaaaaaaaaaaaa\n", "12345678\r",
		"1234567\n", "\nXXXXXXXXXXXXXXXXX", "XXXXXXXX\tXXXXXX\r"
	};
	struct str nul = { "12345678\0", 9 };
	size_t i, before;

	assert_int_equal(start("200 OK"), 0);
	before = req.resp.out.end;
	for (i = 0; i < nitems(names); i++)
		assert_int_equal(header(names[i], "v"), -1);
	for (i = 0; i < nitems(values); i++)
		assert_int_equal(header("X", values[i]), -1);
	assert_int_equal(resp_header(&req, STR("X"), nul, &why), -1);
	assert_int_equal(req.resp.out.end, before);
	assert_int_equal(header("!#$%&'*+-.^_`|~09azAZ", "\t x\x01 y\xff \t"),
	    0);
	assert_int_equal(header("Empty", ""), 0);
	assert_int_equal(header("Blank", "  \t"), 0);
	resp_end(&req);
	assert_sent("!#$%&'*+-.^_`|~09azAZ: x\x01 y\xff\r\nEmpty: \r\n"
	    "Blank: \r\nStatus: 200 OK\r\n\r\n");
}

static void
every_byte_of_a_value_is_judged_alike(void **state UNUSED)
{
	char value[24];
	size_t at;
	int c;

	for (c = 0; c < 256; c++) {
		for (at = 0; at < sizeof(value); at++) {
			memset(value, 'v', sizeof(value));
			value[at] = (char)c;
			assert_int_equal(start("200 OK"), 0);
			assert_int_equal(resp_header(&req, STR("X"),
			    (struct str){ value, sizeof(value) }, &why),
			    c == '\r' || c == '\n' || c == '\0' ? -1 : 0);
			arena_reset(&req.arena);
		}
	}
}

static void
the_hop_keeps_its_headers(void **state UNUSED)
{
	static const char *const hop[] = {
		"Transfer-Encoding", "connection", "KEEP-ALIVE",
		"Proxy-Connection", "TE", "Trailer", "Upgrade"
	};
	size_t i;

	assert_int_equal(start("200 OK"), 0);
	for (i = 0; i < nitems(hop); i++)
		assert_int_equal(header(hop[i], "x"), 1);
	assert_int_equal(header("Set-Cookie", "a"), 0);
	assert_int_equal(header("Set-Cookie", "b"), 0);
	resp_end(&req);
	assert_sent("Set-Cookie: a\r\nSet-Cookie: b\r\nStatus: 200 OK\r\n\r\n");
}

static void
content_length_is_one_number(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "-1", "+1", "1x", "1,1", "0x1", "9223372036854775808", "1 1"
	};
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		assert_int_equal(start("200 OK"), 0);
		assert_int_equal(header("Content-Length", bad[i]), -1);
	}
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("content-LENGTH", " 9223372036854775807 "), 0);
	assert_int_equal(header("Content-Length", "9223372036854775807"), -1);
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "0"), 0);
}

static void
more_than_declared_is_cut(void **state UNUSED)
{
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "3"), 0);
	assert_int_equal(resp_write(&req, "ab", 2), IO_DONE);
	assert_int_equal(resp_write(&req, "cdef", 4), IO_DONE);
	assert_int_equal(resp_write(&req, "gh", 2), IO_DONE);
	assert_true(req.resp.cut);
	resp_end(&req);
	assert_sent("Content-Length: 3\r\nStatus: 200 OK\r\n\r\nabc");
}

static void
less_than_declared_fails(void **state UNUSED)
{
	bool ended;

	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "3"), 0);
	assert_int_equal(resp_write(&req, "ab", 2), IO_DONE);
	resp_end(&req);
	assert_true(req.resp.failed);
	assert_false(req.resp.ended);
	stdout_of(&ended);
	assert_false(ended);

	/* Nothing has left: the client is told. */
	start_over(&fcgi_ops, "GET");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "3"), 0);
	assert_int_equal(resp_buffer(&req, "ab", 2), 0);
	resp_end(&req);
	assert_false(req.resp.failed);
	assert_non_null(strstr(stdout_of(&ended), "Status: 500 "));
	assert_true(ended);
	assert_int_equal(req.app_status, 1);
}

static void
some_responses_have_no_body(void **state UNUSED)
{
	start_over(&fcgi_ops, "HEAD");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "10"), 0);
	assert_int_equal(resp_write(&req, "0123456789", 10), IO_DONE);
	resp_end(&req);
	assert_sent("Content-Length: 10\r\nStatus: 200 OK\r\n\r\n");

	start_over(&fcgi_ops, "HEAD");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_length(&req, 0), 0);
	resp_end(&req);
	assert_sent("Status: 200 OK\r\n\r\n");

	start_over(&fcgi_ops, "GET");
	assert_int_equal(start("204 No Content"), 0);
	assert_int_equal(header("Content-Length", "10"), 0);
	assert_int_equal(resp_length(&req, 10), 0);
	assert_int_equal(resp_buffer(&req, "0123456789", 10), 0);
	resp_end(&req);
	assert_sent("Status: 204 No Content\r\n\r\n");

	start_over(&fcgi_ops, "GET");
	assert_int_equal(start("304 Not Modified"), 0);
	assert_int_equal(header("Content-Length", "10"), 0);
	resp_end(&req);
	assert_sent("Content-Length: 10\r\nStatus: 304 Not Modified\r\n\r\n");
}

static void
a_later_start_replaces_what_has_not_left(void **state UNUSED)
{
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("X-Old", "1"), 0);
	assert_int_equal(header("Content-Length", "100"), 0);
	assert_int_equal(resp_buffer(&req, "old", 3), 0);
	assert_int_equal(start("500 Oops"), 0);
	assert_int_equal(header("X-New", "1"), 0);
	assert_int_equal(resp_buffer(&req, "new", 3), 0);
	resp_end(&req);
	assert_sent("X-New: 1\r\nStatus: 500 Oops\r\n\r\nnew");
}

static void
an_empty_chunk_sends_nothing(void **state UNUSED)
{
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_write(&req, "", 0), IO_DONE);
	assert_int_equal(resp_buffer(&req, NULL, 0), 0);
	assert_int_equal(writes, 0);
	assert_false(req.resp.head_out);
	assert_int_equal(resp_write(&req, "x", 1), IO_DONE);
	assert_int_equal(writes, 1);
	assert_int_equal(resp_write(&req, "", 0), IO_DONE);
	assert_int_equal(writes, 1);
	assert_int_equal(resp_buffer(&req, "y", 1), -1);
	resp_end(&req);
	assert_int_equal(writes, 2);
	assert_sent("Status: 200 OK\r\n\r\nx");
}

static void
a_large_body_leaves_in_records_by_one_call(void **state UNUSED)
{
	static char body[5 << 20];
	size_t sizes[] = { 65535, 65536, 100000, sizeof(body) }, i;
	const char *got;
	bool ended;

	for (i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 23);
	for (i = 0; i < nitems(sizes); i++) {
		start_over(&fcgi_ops, "GET");
		assert_int_equal(start("200 OK"), 0);
		assert_int_equal(resp_last(&req, body, sizes[i]), IO_DONE);
		got = stdout_of(&ended);
		assert_true(ended);
		assert_int_equal(strlen(got), 18 + sizes[i]);
		assert_memory_equal(got + 18, body, sizes[i]);
		assert_int_equal(req.resp.wire, sizes[i]);
		assert_int_equal(writes, sizes[i] < 1 << 20 ? 1 : 3);
	}
}

static void
what_was_buffered_goes_before_what_is_written(void **state UNUSED)
{
	static char big[70000];
	const char *got;
	bool ended;

	memset(big, 'b', sizeof(big));
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_buffer(&req, "first", 5), 0);
	assert_int_equal(resp_buffer(&req, big, sizeof(big)), -1);
	assert_int_equal(resp_write(&req, big, sizeof(big)), IO_DONE);
	assert_int_equal(writes, 1);
	resp_end(&req);
	got = stdout_of(&ended);
	assert_memory_equal(got, "Status: 200 OK\r\n\r\nfirstbbb", 26);
	assert_int_equal(strlen(got), 18 + 5 + sizeof(big));
}

static void
a_huge_head_is_one_write(void **state UNUSED)
{
	static char value[100001];
	const char *got;
	bool ended;

	memset(value, 'v', sizeof(value) - 1);
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("X", value), 0);
	assert_int_equal(resp_buffer(&req, "body", 4), -1);
	assert_int_equal(resp_write(&req, "body", 4), IO_DONE);
	assert_int_equal(writes, 1);
	resp_end(&req);
	got = stdout_of(&ended);
	assert_int_equal(strlen(got), 3 + 100000 + 2 + 18 + 4);
	assert_true(ended);
}

static void
event_streams_are_not_held_back_by_nginx(void **state UNUSED)
{
	req.params.known[PARAM_SERVER_SOFTWARE] = STR("nginx/1.22.1");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Type", "text/event-stream; x"), 0);
	resp_end(&req);
	assert_sent("Content-Type: text/event-stream; x\r\n"
	    "X-Accel-Buffering: no\r\nStatus: 200 OK\r\n\r\n");

	start_over(&fcgi_ops, "GET");		/* not nginx, or not known */
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Type", "text/event-stream"), 0);
	resp_end(&req);
	assert_sent("Content-Type: text/event-stream\r\n"
	    "Status: 200 OK\r\n\r\n");

	start_over(&fcgi_ops, "GET");
	req.params.known[PARAM_SERVER_SOFTWARE] = STR("nginx/1.22.1");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("X-Accel-Buffering", "yes"), 0);
	assert_int_equal(header("Content-Type", "text/event-stream"), 0);
	resp_end(&req);
	assert_sent("X-Accel-Buffering: yes\r\n"
	    "Content-Type: text/event-stream\r\nStatus: 200 OK\r\n\r\n");
}

static void
our_own_answers_are_whole(void **state UNUSED)
{
	resp_error(&req, 503, FCGI_OVERLOADED);
	assert_sent("Content-Type: text/plain\r\nRetry-After: 1\r\n"
	    "Content-Length: 24\r\nStatus: 503 Service Unavailable\r\n\r\n"
	    "503 Service Unavailable\n");
	assert_int_equal(buf_head(&sent)[buf_len(&sent) - 4], FCGI_OVERLOADED);
	resp_error(&req, 500, 0);
	assert_int_equal(writes, 1);
}

static void
no_start_is_500_and_a_failure_ends_nothing(void **state UNUSED)
{
	bool ended;

	resp_end(&req);
	assert_int_equal(req.resp.status, 500);
	assert_true(req.resp.ended);

	start_over(&fcgi_ops, "GET");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_write(&req, "x", 1), IO_DONE);
	resp_abort(&req);
	resp_end(&req);
	assert_true(req.resp.failed);
	assert_false(req.resp.ended);
	stdout_of(&ended);
	assert_false(ended);
}

static void
a_peer_that_left_is_told_to_the_caller(void **state UNUSED)
{
	assert_int_equal(start("200 OK"), 0);
	peer_left = true;
	assert_int_equal(resp_write(&req, "x", 1), IO_GONE);
	assert_int_equal(resp_write(&req, "x", 1), IO_GONE);
	assert_int_equal(resp_end(&req), IO_GONE);
	assert_int_equal(writes, 1);
	resp_abort(&req);
	assert_false(req.resp.failed);
}

/* The types of the records that were sent, a letter each. */
static const char *
kinds(void)
{
	static char out[64];
	const unsigned char *p = (unsigned char *)buf_head(&sent);
	const unsigned char *end = p + buf_len(&sent);
	size_t n = 0;

	for (; p < end; p += 8 + (p[4] << 8 | p[5])) {
		out[n++] = p[1] == FCGI_STDOUT ? 'o' :
		    p[1] == FCGI_STDERR ? 'e' : 'E';
		if (p[4] == 0 && p[5] == 0)
			out[n++] = '0';
	}
	out[n] = '\0';
	return out;
}

static void
errors_go_to_the_proxy_behind_the_head(void **state UNUSED)
{
	conf.proxy_stderr = true;
	resp_stderr(&req, "early", 5);
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_buffer(&req, "x", 1), 0);
	resp_end(&req);
	assert_string_equal(kinds(), "oee0o0E");
	assert_int_equal(writes, 1);

	start_over(&fcgi_ops, "GET");
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_write(&req, "x", 1), IO_DONE);
	resp_stderr(&req, "late", 4);
	assert_int_equal(resp_write(&req, "y", 1), IO_DONE);
	resp_end(&req);
	assert_string_equal(kinds(), "ooee0o0E");

	start_over(&uwsgi_ops, "GET");
	resp_stderr(&req, "nowhere", 7);
	assert_int_equal(buf_len(&req.resp.err), 0);

	conf.proxy_stderr = false;
	start_over(&fcgi_ops, "GET");
	resp_stderr(&req, "not asked for", 13);
	assert_int_equal(buf_len(&req.resp.err), 0);
}

static int
make_file(size_t n)
{
	static char block[300000];
	char path[] = "/tmp/test-resp-XXXXXX";
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	unlink(path);
	memset(block, 'f', sizeof(block));
	assert_int_equal(write(fd, block, n), n);
	return fd;
}

static void
files_leave_in_records(void **state UNUSED)
{
	static const size_t sizes[] = { 0, 1, 32768, 32769, 65535, 200000 };
	const char *got;
	int64_t off;
	size_t i;
	bool ended;
	int fd;

	for (i = 0; i < 2 * nitems(sizes); i++) {
		conf.sendfile = i % 2;
		start_over(&fcgi_ops, "GET");
		fd = make_file(sizes[i / 2] + 10);
		off = 10;
		assert_int_equal(start("200 OK"), 0);
		assert_int_equal(resp_sendfile(&req, fd, &off, sizes[i / 2]),
		    IO_DONE);
		assert_int_equal(off, 10 + sizes[i / 2]);
		resp_end(&req);
		got = stdout_of(&ended);
		assert_true(ended);
		assert_int_equal(strlen(got), 18 + sizes[i / 2]);
		assert_int_equal(req.resp.wire, sizes[i / 2]);
		close(fd);
	}
	conf.sendfile = true;
}

static void
a_file_that_shrinks_fails(void **state UNUSED)
{
	int64_t off = 0;
	int fd = make_file(70000);

	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_sendfile(&req, fd, &off, 200000), IO_GONE);
	assert_int_equal(off, 70000);
	assert_true(req.resp.failed);
	close(fd);
}

static void
a_file_is_cut_at_the_declared_length(void **state UNUSED)
{
	int64_t off = 0;
	int fd = make_file(200000);
	bool ended;

	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(header("Content-Length", "100000"), 0);
	assert_int_equal(resp_sendfile(&req, fd, &off, 200000), IO_DONE);
	assert_int_equal(off, 100000);
	resp_end(&req);
	stdout_of(&ended);
	assert_true(ended);
	close(fd);
}

/* The watchdog has moved the claim down: no byte leaves any more. */
static void
what_the_watchdog_has_taken_is_not_written(void **state UNUSED)
{
	static struct slot slot;
	struct run run;

	run_init(&run, &slot);
	run_begin(&run, &req, 0);
	assert_int_equal(run_seize(&run, run_number(run.claim)), RUN_OPEN);
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_buffer(&req, "late", 4), 0);
	assert_int_equal(resp_end(&req), IO_GONE);
	resp_abort(&req);
	run_end(&run);
	assert_int_equal(writes, 0);
	assert_true(req.resp.taken);
}

static void
what_the_watchdog_has_cut_stays_cut(void **state UNUSED)
{
	static struct slot slot;
	struct run run;

	run_init(&run, &slot);
	run_begin(&run, &req, 0);
	assert_int_equal(start("200 OK"), 0);
	assert_int_equal(resp_write(&req, "first", 5), IO_DONE);
	assert_int_equal(run_seize(&run, run_number(run.claim)), RUN_SENT);
	assert_int_equal(resp_write(&req, "never", 5), IO_GONE);
	assert_int_equal(resp_end(&req), IO_GONE);
	run_end(&run);
	assert_int_equal(writes, 1);
	assert_true(req.resp.failed);
	assert_false(req.resp.gone);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_small_response_is_one_write),
		TEST(uwsgi_has_a_status_line),
		TEST(only_a_valid_status_starts),
		TEST(only_valid_headers_are_taken),
		TEST(every_byte_of_a_value_is_judged_alike),
		TEST(the_hop_keeps_its_headers),
		TEST(content_length_is_one_number),
		TEST(more_than_declared_is_cut),
		TEST(less_than_declared_fails),
		TEST(some_responses_have_no_body),
		TEST(a_later_start_replaces_what_has_not_left),
		TEST(an_empty_chunk_sends_nothing),
		TEST(a_large_body_leaves_in_records_by_one_call),
		TEST(what_was_buffered_goes_before_what_is_written),
		TEST(a_huge_head_is_one_write),
		TEST(event_streams_are_not_held_back_by_nginx),
		TEST(our_own_answers_are_whole),
		TEST(no_start_is_500_and_a_failure_ends_nothing),
		TEST(a_peer_that_left_is_told_to_the_caller),
		TEST(errors_go_to_the_proxy_behind_the_head),
		TEST(files_leave_in_records),
		TEST(a_file_that_shrinks_fails),
		TEST(a_file_is_cut_at_the_declared_length),
		TEST(what_the_watchdog_has_taken_is_not_written),
		TEST(what_the_watchdog_has_cut_stays_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

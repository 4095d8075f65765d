/* SPDX-License-Identifier: MIT */
/*
 * Connections over a socket pair, both protocols, with an application of three
 * lines: what goes in, what comes out, and what becomes of the connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fastcgi.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/conn.h"

static struct conn_conf conf;
static struct conns conns;
static struct listener listener;
static struct conn_from from;

/* The other end of the connection under test. */
static struct conn *conn;
static int peer;

/* What a peer would send, built up and sent by send_all(). */
static struct buf wire;

static void
record(uint8_t type, uint16_t id, const void *p, size_t n)
{
	const FCGI_Header h = { .version = 1, .type = type,
		.requestIdB1 = (uint8_t)(id >> 8), .requestIdB0 = (uint8_t)id,
		.contentLengthB1 = (uint8_t)(n >> 8),
		.contentLengthB0 = (uint8_t)n };

	assert_int_equal(buf_add(&wire, &h, sizeof(h)), 0);
	assert_int_equal(buf_add(&wire, p, n), 0);
}

static void
begin(uint16_t id, uint16_t role, bool keep)
{
	const FCGI_BeginRequestBody b = { .roleB1 = (uint8_t)(role >> 8),
		.roleB0 = (uint8_t)role, .flags = keep };

	record(FCGI_BEGIN_REQUEST, id, &b, sizeof(b));
}

static void
pair(struct buf *b, const char *name, const char *value)
{
	const uint8_t len[2] = { (uint8_t)strlen(name),
		(uint8_t)strlen(value) };

	assert_int_equal(buf_add(b, len, 2), 0);
	assert_int_equal(buf_addstr(b, name), 0);
	assert_int_equal(buf_addstr(b, value), 0);
}

static void
params(uint16_t id, const char *method, const char *uri, const char *length)
{
	struct buf b;

	buf_init(&b, 65536);
	pair(&b, "REQUEST_METHOD", method);
	pair(&b, "REQUEST_URI", uri);
	pair(&b, "PATH_INFO", uri);
	pair(&b, "SERVER_SOFTWARE", "nginx/1.22.1");
	if (length != NULL)
		pair(&b, "CONTENT_LENGTH", length);
	record(FCGI_PARAMS, id, b.data, b.end);
	record(FCGI_PARAMS, id, NULL, 0);
	buf_fini(&b);
}

static void
request(uint16_t id, const char *uri, bool keep, const char *body)
{
	char length[32];

	begin(id, FCGI_RESPONDER, keep);
	snprintf(length, sizeof(length), "%zu", strlen(body));
	params(id, "POST", uri, length);
	if (body[0] != '\0')
		record(FCGI_STDIN, id, body, strlen(body));
	record(FCGI_STDIN, id, NULL, 0);
}

static void
uwsgi_pair(struct buf *b, const char *name, const char *value)
{
	const uint8_t n[2] = { (uint8_t)strlen(name), 0 };
	const uint8_t v[2] = { (uint8_t)strlen(value), 0 };

	assert_int_equal(buf_add(b, n, 2), 0);
	assert_int_equal(buf_addstr(b, name), 0);
	assert_int_equal(buf_add(b, v, 2), 0);
	assert_int_equal(buf_addstr(b, value), 0);
}

static void
uwsgi_request(const char *uri, const char *length, const char *body)
{
	uint8_t head[4] = { 0 };
	struct buf b;

	buf_init(&b, 65536);
	uwsgi_pair(&b, "REQUEST_METHOD", "POST");
	uwsgi_pair(&b, "PATH_INFO", uri);
	uwsgi_pair(&b, "CONTENT_LENGTH", length);
	head[1] = (uint8_t)b.end;
	head[2] = (uint8_t)(b.end >> 8);
	assert_int_equal(buf_add(&wire, head, 4), 0);
	assert_int_equal(buf_add(&wire, b.data, b.end), 0);
	assert_int_equal(buf_addstr(&wire, body), 0);
	buf_fini(&b);
}

static void
send_some(size_t n)
{
	assert_int_equal(send(peer, buf_head(&wire), n, MSG_NOSIGNAL), n);
	buf_drain(&wire, n);
}

static void
send_all(void)
{
	send_some(buf_len(&wire));
}

/* Answer with the body that came, as many bytes as there are. */
static void
serve(struct req *req)
{
	const char *why, *p;
	size_t n;

	assert_int_equal(resp_start(req, STR("200 OK"), &why), 0);
	assert_int_equal(resp_header(req, STR("Content-Type"),
	    STR("text/plain"), &why), 0);
	p = body_peek(&req->body, &n);
	assert_int_equal(resp_length(req, n), 0);
	assert_int_equal(resp_buffer(req, p, n), 0);
	resp_end(req);
}

/* Feed, and serve what is whole; what the connection wants in the end. */
static enum conn_want
turn(enum conn_want want, unsigned *served)
{
	while (want == CONN_RUN) {
		serve(conn->req);
		(*served)++;
		want = conn_finish(conn);
	}
	if (want == CONN_OVER) {
		conn_free(conn);
		conn = NULL;
	}
	return want;
}

static enum conn_want
feed(unsigned *served)
{
	conns.now_ns = clock_ns();
	return turn(conn_feed(conn), served);
}

/* What the peer has got so far, as text without NULs. */
static char got[1 << 20];
static size_t ngot;

static const char *
receive(void)
{
	ssize_t n;
	size_t i;

	n = recv(peer, got, sizeof(got) - 1, MSG_DONTWAIT);
	ngot = n > 0 ? (size_t)n : 0;
	for (i = 0; i < ngot; i++)
		if (got[i] == '\0')
			got[i] = '.';
	got[ngot] = '\0';
	return got;
}

static bool
peer_sees_end(void)
{
	char c;

	return recv(peer, &c, 1, MSG_DONTWAIT) == 0;
}

/* The END_REQUEST records among what was received. */
static unsigned
ends(void)
{
	static const char head[] = "\001\003";
	unsigned n = 0;
	size_t i;

	for (i = 0; i + 16 <= ngot; i++)
		n += memcmp(got + i, head, 2) == 0 && got[i + 5] == '\010';
	return n;
}

static void
open_conn(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	peer = fds[1];
	conns.now_ns = clock_ns();
	conn = conn_new(&conns, fds[0], &from, NULL);
	assert_non_null(conn);
}

static int
setup(void **state UNUSED)
{
	memset(&conf, 0, sizeof(conf));
	conf.limits.max_conns = 7;
	conf.limits.streams = 1;
	conf.client_ms = 10000;
	conf.keep_ms = 75000;
	conf.drain_ms = 30000;
	conf.drain_limit = 1 << 20;
	conf.req.params.count_max = 100;
	conf.req.params_size = 16384;
	conf.req.body.memory = 65536;
	conf.req.body.memory_sum = 1 << 20;
	conf.req.body.dir = "/tmp";
	conf.req.app_name = "test";
	listener.sock.sa.sa_family = AF_UNIX;
	listener.len = sizeof(sa_family_t);
	log_set_level(LOG_CRIT_);
	buf_init(&wire, 1 << 24);
	conns_init(&conns, &conf);
	conn_from_init(&from, &listener);
	open_conn();
	return 0;
}

static int
teardown(void **state UNUSED)
{
	if (conn != NULL)
		conn_free(conn);
	conn = NULL;
	close(peer);
	buf_fini(&wire);
	conns_fini(&conns);
	return 0;
}

static void
a_whole_request_runs_at_once(void **state UNUSED)
{
	unsigned served = 0;

	request(1, "/a", false, "hello");
	send_all();
	assert_int_equal(feed(&served), CONN_OVER);
	assert_int_equal(served, 1);
	assert_non_null(strstr(receive(), "Content-Type: text/plain\r\n"
	    "Content-Length: 5\r\nStatus: 200 OK\r\n\r\nhello"));
	assert_int_equal(ends(), 1);
	assert_true(peer_sees_end());
}

static void
every_split_gives_the_same_response(void **state UNUSED)
{
	char whole[4096];
	size_t n, len, wholelen;
	unsigned served;

	request(1, "/a", false, "hello");
	len = buf_len(&wire);
	send_all();
	served = 0;
	assert_int_equal(feed(&served), CONN_OVER);
	receive();
	wholelen = ngot;
	memcpy(whole, got, ngot);
	for (n = 1; n < len; n++) {
		close(peer);
		open_conn();
		request(1, "/a", false, "hello");
		send_some(n);
		served = 0;
		assert_int_equal(feed(&served), CONN_WAIT);
		assert_int_equal(served, 0);
		send_all();
		assert_int_equal(feed(&served), CONN_OVER);
		receive();
		assert_int_equal(ngot, wholelen);
		assert_memory_equal(got, whole, wholelen);
	}
}

static void
a_kept_connection_serves_again(void **state UNUSED)
{
	unsigned served = 0, i;

	for (i = 1; i <= 100; i++) {
		request(1, "/a", true, "again");
		send_all();
		assert_int_equal(feed(&served), CONN_WAIT);
		assert_int_equal(conn->state, CONN_IDLE);
		assert_null(conn->req);
		receive();
		assert_int_equal(ends(), 1);
	}
	assert_int_equal(served, 100);
	assert_int_equal(conns.nreqs, 1);	/* one was made, and reused */
	shutdown(peer, SHUT_WR);
	assert_int_equal(feed(&served), CONN_OVER);
}

static void
pipelined_requests_are_answered_in_order(void **state UNUSED)
{
	unsigned served = 0, i;
	char text[16];
	const char *p;

	for (i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "<%u>", i);
		request((uint16_t)(i + 1), "/p", true, text);
	}
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 50);
	p = receive();
	for (i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "<%u>", i);
		p = strstr(p, text);
		assert_non_null(p);
	}
	assert_int_equal(ends(), 50);
}

static void
uwsgi_is_told_apart(void **state UNUSED)
{
	unsigned served = 0;

	uwsgi_request("/u", "5", "hello and more than that");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);	/* drained */
	assert_int_equal(served, 1);
	assert_string_equal(receive(), "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
	assert_true(peer_sees_end());
}

static void
strangers_are_closed_without_a_word(void **state UNUSED)
{
	static const char *const what[] = {
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "\x1e", "\x02hello"
	};
	unsigned served = 0;
	size_t i;

	for (i = 0; i < nitems(what); i++) {
		send(peer, what[i], strlen(what[i]), 0);
		send(peer, "\0\0\0", 3, 0);
		assert_int_equal(feed(&served), CONN_WAIT);
		assert_int_equal(conn->state, CONN_DRAIN);
		assert_true(peer_sees_end());
		shutdown(peer, SHUT_WR);
		assert_int_equal(feed(&served), CONN_OVER);
		close(peer);
		open_conn();
	}
	assert_int_equal(served, 0);
}

static void
pinned(const struct proto_ops *proto, bool speaks_fcgi)
{
	unsigned served = 0;

	conf.proto = proto;
	if (speaks_fcgi)
		request(1, "/a", false, "");
	else
		uwsgi_request("/a", "0", "");
	send_all();
	feed(&served);
	assert_int_equal(served, proto == (speaks_fcgi ? &fcgi_ops :
	    &uwsgi_ops));
	if (conn != NULL)
		conn_free(conn);
	close(peer);
	open_conn();
}

static void
a_pinned_protocol_is_the_only_one(void **state UNUSED)
{
	pinned(&fcgi_ops, true);
	pinned(&fcgi_ops, false);
	pinned(&uwsgi_ops, true);
	pinned(&uwsgi_ops, false);
}

/* An answer of our own, and the end of a connection that is not kept. */
static void
assert_refused(const char *status)
{
	unsigned served = 0;

	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 0);
	assert_int_equal(conn->state, CONN_DRAIN);
	assert_non_null(strstr(receive(), status));
	assert_int_equal(ends(), 1);
	assert_true(peer_sees_end());
	shutdown(peer, SHUT_WR);
	assert_int_equal(feed(&served), CONN_OVER);
	close(peer);
	open_conn();
}

static void
what_is_wrong_is_answered(void **state UNUSED)
{
	char big[17000];

	begin(1, FCGI_RESPONDER, true);		/* F15 */
	record(FCGI_PARAMS, 1, NULL, 0);
	assert_refused("Status: 400 ");

	begin(1, FCGI_RESPONDER, true);		/* F14 */
	memset(big, 'x', sizeof(big));
	record(FCGI_PARAMS, 1, big, sizeof(big));
	assert_refused("Status: 431 ");

	begin(1, FCGI_RESPONDER, true);		/* F29 */
	params(1, "POST", "/a", "10");
	record(FCGI_STDIN, 1, "12345", 5);
	record(FCGI_STDIN, 1, NULL, 0);
	assert_refused("Status: 400 ");

	begin(1, FCGI_RESPONDER, true);		/* F30 */
	params(1, "POST", "/a", "+5");
	assert_refused("Status: 400 ");

	conf.req.body.limit = 100;		/* F31 */
	begin(1, FCGI_RESPONDER, false);
	params(1, "POST", "/a", "10737418240");
	assert_refused("Status: 413 ");
}

static void
a_body_over_its_limit_keeps_the_connection(void **state UNUSED)
{
	unsigned served = 0;
	char chunk[1000];
	int i;

	conf.req.body.limit = 100;
	begin(1, FCGI_RESPONDER, true);
	params(1, "POST", "/a", "20000");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_non_null(strstr(receive(), "Status: 413 "));
	assert_int_equal(ends(), 1);
	memset(chunk, 'x', sizeof(chunk));
	for (i = 0; i < 20; i++) {
		record(FCGI_STDIN, 1, chunk, sizeof(chunk));
		send_some(i % 2 ? buf_len(&wire) : 500);
		assert_int_equal(feed(&served), CONN_WAIT);
	}
	record(FCGI_STDIN, 1, NULL, 0);
	request(1, "/next", true, "fine");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 1);
	assert_non_null(strstr(receive(), "fine"));
}

static void
an_unknown_length_meets_the_limit_too(void **state UNUSED)
{
	unsigned served = 0;

	conf.req.body.limit = 4;
	begin(1, FCGI_RESPONDER, true);
	params(1, "POST", "/a", "");
	record(FCGI_STDIN, 1, "1234", 4);
	record(FCGI_STDIN, 1, "5", 1);
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 0);
	assert_non_null(strstr(receive(), "Status: 413 "));
}

static void
more_than_content_length_is_cut_and_the_last(void **state UNUSED)
{
	unsigned served = 0;

	begin(1, FCGI_RESPONDER, true);
	params(1, "POST", "/a", "3");
	record(FCGI_STDIN, 1, "12345", 5);
	record(FCGI_STDIN, 1, NULL, 0);
	send_all();
	assert_int_equal(feed(&served), CONN_OVER);
	assert_non_null(strstr(receive(), "\r\n\r\n123"));
	assert_null(strstr(got, "1234"));
}

static void
a_drain_ends_at_its_limit(void **state UNUSED)
{
	static char chunk[60000];
	unsigned served = 0;
	int i;

	conf.drain_limit = 200000;
	send(peer, "GET ", 4, 0);
	assert_int_equal(feed(&served), CONN_WAIT);
	for (i = 0; i < 3; i++) {
		assert_int_equal(send(peer, chunk, sizeof(chunk), 0),
		    sizeof(chunk));
		assert_int_equal(feed(&served), CONN_WAIT);
	}
	send(peer, chunk, sizeof(chunk), 0);
	assert_int_equal(feed(&served), CONN_OVER);
}

static void
a_role_is_refused_and_the_connection_stays(void **state UNUSED)
{
	unsigned served = 0;

	begin(1, FCGI_FILTER, true);		/* F6 */
	record(FCGI_PARAMS, 1, "x", 1);
	record(FCGI_STDIN, 1, NULL, 0);
	request(1, "/a", true, "fine");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 1);
	assert_non_null(strstr(receive(), "Status: 500 "));
	assert_non_null(strstr(got, "fine"));
	assert_int_equal(ends(), 2);
}

static void
a_second_id_is_refused_alone(void **state UNUSED)
{
	unsigned served = 0;

	begin(1, FCGI_RESPONDER, true);		/* F9 */
	begin(3, FCGI_RESPONDER, true);
	params(1, "POST", "/a", "4");
	params(3, "POST", "/b", "4");
	record(FCGI_STDIN, 1, "fi", 2);
	record(FCGI_STDIN, 3, "no", 2);
	record(FCGI_STDIN, 1, "ne", 2);
	record(FCGI_STDIN, 1, NULL, 0);
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 1);
	assert_non_null(strstr(receive(), "Status: 503 "));
	assert_non_null(strstr(got, "fine"));
	assert_int_equal(ends(), 2);
}

static void
an_aborted_request_is_ended_and_dropped(void **state UNUSED)
{
	unsigned served = 0;

	begin(1, FCGI_RESPONDER, true);		/* F20 */
	params(1, "POST", "/a", "4");
	record(FCGI_STDIN, 1, "fi", 2);
	record(FCGI_ABORT_REQUEST, 1, NULL, 0);
	record(FCGI_ABORT_REQUEST, 1, NULL, 0);
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	receive();
	assert_int_equal(ends(), 1);
	request(1, "/b", true, "fine");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 1);
}

static void
a_thousand_questions_are_answered_as_they_are_read(void **state UNUSED)
{
	static const char ask[] = "\017\0FCGI_MPXS_CONNS";
	unsigned served = 0, i;
	size_t total = 0;

	for (i = 0; i < 1000; i++)		/* F21 */
		record(FCGI_GET_VALUES, 0, ask, sizeof(ask) - 1);
	send_all();
	for (i = 0; i < 100; i++) {
		assert_int_equal(feed(&served), CONN_WAIT);
		receive();
		total += ngot;
	}
	/* 15 + 1 bytes of pair, 2 of lengths, 8 of header. */
	assert_int_equal(total, 1000 * 26);
	assert_int_equal(conn->state, CONN_IDLE);
	assert_null(conn->out.data);
	assert_null(conn->in.data);
}

static void
answers_nobody_reads_stop_the_reading(void **state UNUSED)
{
	static const char ask[] = "\017\0FCGI_MPXS_CONNS";
	unsigned served = 0, i, n;

	for (n = 0; n < 100 && (conn->polled_out = conn_poll_out(conn)) == 0;
	    n++) {
		for (i = 0; i < 1000; i++)
			record(FCGI_GET_VALUES, 0, ask, sizeof(ask) - 1);
		send_all();
		assert_int_equal(feed(&served), CONN_WAIT);
	}
	assert_true(conn_poll_out(conn));
	assert_true(buf_len(&conn->out) < 8192);
}

static void
large_body(size_t memory, bool direct)
{
	static char body[300000];
	size_t i, n;
	char length[16];
	unsigned served = 0;
	uint64_t at;

	conf.req.body.memory = memory;
	for (i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7 + i / 255);
	begin(1, FCGI_RESPONDER, true);
	snprintf(length, sizeof(length), "%zu", sizeof(body));
	params(1, "POST", "/a", length);
	for (i = 0; i < sizeof(body); i += n) {
		n = sizeof(body) - i < 32000 ? sizeof(body) - i : 32000;
		record(FCGI_STDIN, 1, body + i, n);
	}
	record(FCGI_STDIN, 1, NULL, 0);
	n = direct ? 10000 : 60000;
	while (buf_len(&wire) > n) {
		send_some(n);
		assert_int_equal(feed(&served), CONN_WAIT);
	}
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	assert_int_equal(conn->req->body.len, sizeof(body));
	assert_int_equal(conn->req->body.fd == -1, memory > sizeof(body));
	for (at = 0; at < sizeof(body); at += n) {
		n = (size_t)body_read(&conn->req->body, got, 7001);
		assert_true(n > 0 && n <= 7001);
		assert_memory_equal(got, body + at, n);
	}
	assert_int_equal(body_read(&conn->req->body, got, 1), 0);
	resp_error(conn->req, 500, 0);
	assert_int_equal(conn_finish(conn), CONN_WAIT);
}

static void
bodies_arrive_whole_in_memory_or_not(void **state UNUSED)
{
	static const size_t memory[] = { 1 << 20, 65536, 100, 0 };
	size_t i;

	for (i = 0; i < nitems(memory); i++) {
		large_body(memory[i], false);
		large_body(memory[i], true);
	}
}

static void
silence_ends_a_request(void **state UNUSED)
{
	unsigned served = 0;

	begin(1, FCGI_RESPONDER, true);
	params(1, "POST", "/a", "10");
	send_all();
	assert_int_equal(feed(&served), CONN_WAIT);
	assert_null(conns_expired(&conns));
	assert_in_range(conns_timeout(&conns), 9900, 10001);
	conns.now_ns += 11 * 1000000000LL;
	assert_ptr_equal(conns_expired(&conns), conn);
	assert_int_equal(conn_expire(conn), CONN_WAIT);
	assert_int_equal(conn->state, CONN_DRAIN);
	assert_non_null(strstr(receive(), "Status: 408 "));
	conns.now_ns += 6 * 1000000000LL;
	assert_ptr_equal(conns_expired(&conns), conn);
	assert_int_equal(conn_expire(conn), CONN_OVER);
}

static void
parameters_have_one_deadline_and_a_body_progress(void **state UNUSED)
{
	unsigned served = 0;
	int64_t first;

	request(1, "/a", true, "hello");
	send_some(20);
	feed(&served);
	assert_int_equal(conn->state, CONN_HEAD);
	first = conn->deadline_ms;
	send_some(1);
	conns.now_ns += 1000000000;
	assert_int_equal(conn_feed(conn), CONN_WAIT);
	assert_int_equal(conn->deadline_ms, first);
	send_some(buf_len(&wire) - 10);
	assert_int_equal(conn_feed(conn), CONN_WAIT);
	assert_int_equal(conn->state, CONN_BODY);
	assert_true(conn->deadline_ms > first);
	first = conn->deadline_ms;
	send_some(1);
	conns.now_ns += 1000000000;
	assert_int_equal(conn_feed(conn), CONN_WAIT);
	assert_true(conn->deadline_ms > first);
}

static void
an_idle_connection_is_closed_but_not_with_a_request(void **state UNUSED)
{
	unsigned served = 0;

	request(1, "/a", true, "one");
	send_all();
	feed(&served);
	conns.now_ns += 76 * 1000000000LL;
	assert_ptr_equal(conns_expired(&conns), conn);
	request(1, "/a", true, "two");
	send_all();
	assert_int_equal(turn(conn_expire(conn), &served), CONN_WAIT);
	assert_int_equal(served, 2);
	assert_null(conns_expired(&conns));
	conns.now_ns += 76 * 1000000000LL;
	assert_int_equal(conn_expire(conn), CONN_OVER);
}

static void
a_draining_worker_serves_one_more(void **state UNUSED)
{
	unsigned served = 0;

	request(1, "/a", true, "one");
	send_all();
	feed(&served);
	conns_drain(&conns);
	assert_in_range(conns_timeout(&conns), 900, 1001);
	request(1, "/a", true, "two");
	send_all();
	assert_int_equal(feed(&served), CONN_OVER);
	assert_int_equal(served, 2);
	assert_non_null(strstr(receive(), "two"));
	assert_int_equal(ends(), 2);
	assert_true(peer_sees_end());
}

/* Its deadline was the sender's, and there is nothing to wait for. */
static void
a_running_request_has_no_deadline(void **state UNUSED)
{
	begin(1, FCGI_RESPONDER, true);
	send_all();
	assert_int_equal(conn_feed(conn), CONN_WAIT);
	assert_in_range(conns_timeout(&conns), 9900, 10001);
	params(1, "GET", "/", NULL);
	record(FCGI_STDIN, 1, NULL, 0);
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	assert_int_equal(conns_timeout(&conns), -1);
	assert_null(conns_any(&conns));
	serve(conn->req);
	assert_int_equal(conn_finish(conn), CONN_WAIT);
	assert_in_range(conns_timeout(&conns), 74900, 75001);
	assert_ptr_equal(conns_any(&conns), conn);
}

static void
no_deadline_comes_sooner_than_the_shortest(void **state UNUSED)
{
	assert_int_equal(conns_shortest(&conns), 5000);
	conf.keep_ms = 3000;
	assert_int_equal(conns_shortest(&conns), 3000);
	conf.keep_ms = 0;
	conf.client_ms = 2000;
	assert_int_equal(conns_shortest(&conns), 2000);
	conf.client_ms = 0;
	conns_drain(&conns);
	assert_int_equal(conns_shortest(&conns), 1000);
}

static void
an_ended_connection_can_be_given_back_later(void **state UNUSED)
{
	begin(1, FCGI_RESPONDER, true);
	send_all();
	assert_int_equal(conn_feed(conn), CONN_WAIT);
	conn_end(conn);
	assert_int_equal(conn->fd, -1);
	assert_true(peer_sees_end());
	assert_null(conns_any(&conns));
	conn_free(conn);
	conn = NULL;
}

static void
a_draining_worker_waits_a_second_for_the_silent(void **state UNUSED)
{
	unsigned served = 0;

	assert_int_equal(feed(&served), CONN_WAIT);
	assert_in_range(conns_timeout(&conns), 9900, 10001);
	conns_drain(&conns);
	assert_in_range(conns_timeout(&conns), 900, 1001);
	conns.now_ns += 2000000000;
	assert_ptr_equal(conns_expired(&conns), conn);
	request(1, "/a", true, "just in time");
	send_all();
	assert_int_equal(turn(conn_expire(conn), &served), CONN_OVER);
	assert_int_equal(served, 1);
}

static void
a_broken_response_looks_broken(void **state UNUSED)
{
	const char *why;

	request(1, "/a", true, "");
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	assert_int_equal(resp_start(conn->req, STR("200 OK"), &why), 0);
	assert_int_equal(resp_write(conn->req, "some", 4), IO_DONE);
	resp_abort(conn->req);
	assert_int_equal(conn_finish(conn), CONN_OVER);
	conn_free(conn);
	conn = NULL;
	receive();
	assert_int_equal(ends(), 0);
	/* An invalid record is the last thing. */
	assert_memory_equal(got + ngot - 12, "some........", 12);
}

/* A peer that sends without reading must not stop us both (R7). */
static void
what_comes_while_we_write_is_kept(void **state UNUSED)
{
	static char big[4 << 20];
	struct pollfd p = { .fd = peer, .events = POLLIN };
	unsigned served = 0;
	size_t total = 0;
	const char *why;
	ssize_t n;
	pid_t pid;

	request(1, "/a", true, "");
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(conn->fd);
		request(1, "/b", true, "next");
		send_all();
		while (poll(&p, 1, 5000) == 1 && total < sizeof(big) &&
		    (n = recv(peer, got, sizeof(got), 0)) > 0)
			total += (size_t)n;
		_exit(0);
	}
	assert_int_equal(resp_start(conn->req, STR("200 OK"), &why), 0);
	assert_int_equal(resp_last(conn->req, big, sizeof(big)), IO_DONE);
	assert_int_equal(turn(conn_finish(conn), &served), CONN_WAIT);
	if (served == 0)
		assert_int_equal(feed(&served), CONN_WAIT);
	assert_int_equal(served, 1);
}

static void
a_peer_that_never_reads_is_gone_in_time(void **state UNUSED)
{
	static char big[4 << 20];
	const char *why;

	conf.client_ms = 50;
	request(1, "/a", true, "");
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	assert_int_equal(resp_start(conn->req, STR("200 OK"), &why), 0);
	assert_int_equal(resp_last(conn->req, big, sizeof(big)), IO_GONE);
	assert_true(conn->req->resp.gone);
	assert_int_equal(conn_finish(conn), CONN_OVER);
}

static void
a_peer_that_left_is_known(void **state UNUSED)
{
	request(1, "/a", true, "");
	send_all();
	assert_int_equal(conn_feed(conn), CONN_RUN);
	assert_false(conn->req->io->gone(conn->req));
	shutdown(peer, SHUT_WR);
	assert_false(conn->req->io->gone(conn->req));
	close(peer);
	assert_true(conn->req->io->gone(conn->req));
	peer = open("/dev/null", O_RDONLY);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_request_runs_at_once),
		TEST(every_split_gives_the_same_response),
		TEST(a_kept_connection_serves_again),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(uwsgi_is_told_apart),
		TEST(strangers_are_closed_without_a_word),
		TEST(a_pinned_protocol_is_the_only_one),
		TEST(what_is_wrong_is_answered),
		TEST(a_body_over_its_limit_keeps_the_connection),
		TEST(an_unknown_length_meets_the_limit_too),
		TEST(more_than_content_length_is_cut_and_the_last),
		TEST(a_drain_ends_at_its_limit),
		TEST(a_role_is_refused_and_the_connection_stays),
		TEST(a_second_id_is_refused_alone),
		TEST(an_aborted_request_is_ended_and_dropped),
		TEST(a_thousand_questions_are_answered_as_they_are_read),
		TEST(answers_nobody_reads_stop_the_reading),
		TEST(bodies_arrive_whole_in_memory_or_not),
		TEST(silence_ends_a_request),
		TEST(parameters_have_one_deadline_and_a_body_progress),
		TEST(an_idle_connection_is_closed_but_not_with_a_request),
		TEST(a_draining_worker_serves_one_more),
		TEST(a_draining_worker_waits_a_second_for_the_silent),
		TEST(a_running_request_has_no_deadline),
		TEST(no_deadline_comes_sooner_than_the_shortest),
		TEST(an_ended_connection_can_be_given_back_later),
		TEST(a_broken_response_looks_broken),
		TEST(what_comes_while_we_write_is_kept),
		TEST(a_peer_that_never_reads_is_gone_in_time),
		TEST(a_peer_that_left_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

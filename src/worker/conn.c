/* SPDX-License-Identifier: MIT */
/* From bytes to whole requests, and from an answer to what comes next. */
#include <sys/socket.h>
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <fastcgi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "req/access_log.h"
#include "worker/conn.h"

#define CONN_ROUNDS	16	/* full reads before others have their turn */
#define CONN_OUT_STOP	4096	/* answers a peer must read before it is read */

void
conn_from_init(struct conn_from *from, const struct listener *l)
{
	from->listener = l;
	addr_format(&l->sock, l->len, from->name, sizeof(from->name));
}

const char *
conn_peer(const struct conn *c, char *out, size_t size)
{
	union addr_sock sock;
	socklen_t len = sizeof(sock);

	if (getpeername(c->fd, &sock.sa, &len) == 0 &&
	    sock.sa.sa_family != AF_UNIX)
		addr_format(&sock, len, out, size);
	else
		log_escape(out, size, c->from->name, strlen(c->from->name));
	return out;
}

static bool
conn_is_trusted(const struct conns *cs, const struct sockaddr *sa)
{
	static const struct sockaddr local = { .sa_family = AF_UNIX };
	size_t i;

	for (i = 0; i < cs->conf->ntrusted; i++)
		if (addr_net_has(&cs->conf->trusted[i],
		    sa != NULL ? sa : &local))
			return true;
	return false;
}

struct conn *
conn_new(struct conns *cs, int fd, const struct conn_from *from,
    const struct sockaddr *sa)
{
	struct conn *c = conns_get(cs);

	if (c == NULL) {
		log_errorx("no memory for a connection");
		close(fd);
		return NULL;
	}
	memset(c, 0, offsetof(struct conn, dec));
	memset(&c->in, 0, sizeof(*c) - offsetof(struct conn, in));
	c->dec.ops = NULL;
	c->fd = fd;
	c->from = from;
	c->conns = cs;
	c->fresh = true;
	c->trusted = conn_is_trusted(cs, sa);
	buf_init(&c->in, CONN_SCRATCH + CONN_SPOOL);
	buf_init(&c->out, CONN_SCRATCH);
	return c;
}

static void
conn_drop_req(struct conn *c)
{
	if (c->req != NULL)
		conns_put_req(c->conns, c->req);
	c->req = NULL;
}

void
conn_end(struct conn *c)
{
	conns_leave(c);
	conn_drop_req(c);
	buf_fini(&c->in);
	buf_fini(&c->out);
	close(c->fd);
	c->fd = -1;
}

void
conn_free(struct conn *c)
{
	if (c->fd != -1)
		conn_end(c);
	conns_put(c->conns, c);
}

bool
conn_is_silent(const struct conn *c)
{
	return c->state == CONN_IDLE ||
	    (c->state == CONN_NEW && c->dec.ops == NULL);
}

/* The one place that moves a state. */
static void
conn_set(struct conn *c, enum conn_state state)
{
	c->state = state;
	c->fresh = true;
}

/* What the peer still sends means nothing any more, but must be read (R6). */
static void
conn_begin_drain(struct conn *c)
{
	c->drained = 0;
	c->drain_until_ms = conns_now_ms(c->conns) + c->conns->conf->drain_ms;
}

static enum conn_want
conn_drain(struct conn *c)
{
	conn_drop_req(c);
	conn_set(c, CONN_DRAIN);
	conn_begin_drain(c);
	return CONN_WAIT;
}

/* Refuse the connection itself: nothing can be answered. */
static enum conn_want
conn_reject(struct conn *c, const char *why)
{
	static struct log_rate rate;
	char peer[128];

	log_rated(&rate, LOG_WARN_, "%s: connection closed: %s",
	    conn_peer(c, peer, sizeof(peer)), why);
	return conn_drain(c);
}

static bool
conn_keeps(const struct conn *c)
{
	return c->req->keep && c->req->proto->keeps && !c->last &&
	    c->conns->conf->keep_ms > 0;
}

/*
 * The request is answered before it arrived whole: what is left of it is
 * skipped, on a connection that is kept or on one that is drained.
 */
static enum conn_want
conn_leave_req(struct conn *c, bool keep)
{
	keep = keep && !c->conns->last && conn_keeps(c);
	c->dec.ops->done(&c->dec, c->req->id);
	if (!keep)
		return conn_drain(c);
	conn_drop_req(c);
	conn_set(c, CONN_IDLE);
	conn_begin_drain(c);
	return CONN_WAIT;
}

static enum conn_want
conn_refuse(struct conn *c, int status, const char *why, bool keep)
{
	static struct log_rate rate;
	struct access_log *access = c->conns->conf->req.access;
	struct req *req = c->req;
	char line[256], peer[128];

	log_rated(&rate, LOG_WARN_, "%s from %s: answered with %d: %s",
	    req_line(req, line, sizeof(line)),
	    conn_peer(c, peer, sizeof(peer)), status, why);
	req->refused = true;
	resp_error(req, status, FCGI_REQUEST_COMPLETE);
	if (access != NULL && req->params.known[PARAM_REQUEST_METHOD].p != NULL)
		access_log_write(access, req, c->conns->now_ns);
	return conn_leave_req(c, keep);
}

static int
conn_begin(struct conn *c, uint16_t id, bool keep)
{
	struct req *req = conns_get_req(c->conns);

	if (req == NULL)
		return -1;
	req->proto = c->dec.ops;
	req->io = &conn_io_queued;
	req->carrier = c;
	req->id = id;
	req->keep = keep;
	req->accepted_ns = c->conns->now_ns;
	c->req = req;
	c->drain_until_ms = 0;
	conn_set(c, CONN_HEAD);
	return 0;
}

static enum conn_want
conn_on_begin(struct conn *c, const struct proto_event *ev)
{
	if (conn_begin(c, ev->id, ev->keep) == -1)
		return conn_reject(c, "no memory for a request");
	return CONN_WAIT;
}

static enum conn_want
conn_on_params(struct conn *c, const struct proto_event *ev)
{
	struct req *req = c->req;
	size_t len = req->block_len + ev->data.len;
	char *block;

	if (len > req->conf->params_size)
		return conn_refuse(c, 431, "params_size", false);
	block = arena_grow(&req->arena, req->block, req->block_len, len);
	if (block == NULL)
		return conn_refuse(c, 503, "no memory for parameters", false);
	memcpy(block + req->block_len, ev->data.p, ev->data.len);
	req->block = block;
	req->block_len = len;
	return CONN_WAIT;
}

static int
conn_parse(struct conn *c, const char **why)
{
	struct req *req = c->req;
	const struct params_peer peer = { c->trusted, c->from->name };

	return params_parse(&req->params, &req->conf->params, &peer,
	    req->proto, (struct proto_str){ req->block, req->block_len },
	    &req->arena, why);
}

static enum conn_want
conn_on_head(struct conn *c, const struct proto_event *ev UNUSED)
{
	const struct req_conf *conf = c->req->conf;
	const char *why;
	int64_t length;
	int status;

	if ((status = conn_parse(c, &why)) != 0)
		return conn_refuse(c, status, why, status != 400 &&
		    status != 431);
	length = c->req->params.content_length;
	if (conf->body.limit > 0 && length > 0 &&
	    (uint64_t)length > conf->body.limit)
		return conn_refuse(c, 413, "body_limit", true);
	c->dec.ops->expect(&c->dec, length > 0 ? (uint64_t)length : 0);
	conn_set(c, CONN_BODY);
	return CONN_WAIT;
}

/* Body bytes that the application may still get. */
static uint64_t
conn_body_wanted(const struct conn *c)
{
	const struct req *req = c->req;

	if (req->params.content_length >= 0)
		return (uint64_t)req->params.content_length - req->body.len;
	if (req->conf->body.limit > 0)
		return req->conf->body.limit - req->body.len;
	return UINT64_MAX;
}

static enum conn_want
conn_no_room(struct conn *c)
{
	static struct log_rate rate;

	log_rated(&rate, LOG_ERROR_, "spool_dir %s: cannot keep a request "
	    "body: %s", c->req->conf->body.dir, strerror(errno));
	return conn_refuse(c, 503, "no room for its body", false);
}

/*
 * More than CONTENT_LENGTH said is not the application's; the connection ends
 * with this request.
 */
static enum conn_want
conn_on_body(struct conn *c, const struct proto_event *ev)
{
	struct req *req = c->req;
	uint64_t wanted = conn_body_wanted(c);
	size_t n = ev->data.len;

	if (n > wanted && req->params.content_length < 0)
		return conn_refuse(c, 413, "body_limit", true);
	if (n > wanted) {
		n = (size_t)wanted;
		c->last = true;
	}
	if (body_add(&req->body, &req->conf->body, ev->data.p, n) == -1)
		return conn_no_room(c);
	return CONN_WAIT;
}

static enum conn_want
conn_on_end(struct conn *c, const struct proto_event *ev UNUSED)
{
	struct req *req = c->req;

	if (req->params.content_length >= 0 && conn_body_wanted(c) > 0)
		return conn_refuse(c, 400, "body is shorter than "
		    "CONTENT_LENGTH", false);
	req->whole = req->body.whole = true;
	req->io = &conn_io_blocking;
	/* Not if we are to leave while it runs: the next may be on its way. */
	if (c->conns->last)
		c->last = true;
	conn_set(c, CONN_WHOLE);
	conns_leave(c);
	return CONN_RUN;
}

static enum conn_want
conn_queue_out(struct conn *c, const void *p, size_t n)
{
	if (buf_add(&c->out, p, n) == -1)
		return conn_reject(c, "its answers are not read");
	return CONN_WAIT;
}

/* Given up before it ran: END_REQUEST, and no more. */
static enum conn_want
conn_on_abort(struct conn *c, const struct proto_event *ev)
{
	uint8_t end[PROTO_END_MAX];
	size_t n = c->dec.ops->end(end, ev->id, 1, FCGI_REQUEST_COMPLETE);

	if (buf_add(&c->out, end, n) == -1)
		return conn_reject(c, "its answers are not read");
	return conn_leave_req(c, true);
}

static enum conn_want
conn_on_reply(struct conn *c, const struct proto_event *ev)
{
	return conn_queue_out(c, ev->data.p, ev->data.len);
}

/* Another id is refused; the request that is arriving is left alone. */
static enum conn_want
conn_on_refuse(struct conn *c, const struct proto_event *ev)
{
	static struct log_rate rate;
	struct req *req = conns_get_req(c->conns);
	char peer[128];

	if (req == NULL)
		return conn_reject(c, "no memory for a request");
	log_rated(&rate, LOG_WARN_, "%s: request answered with %d: %s",
	    conn_peer(c, peer, sizeof(peer)), ev->status, ev->why);
	req->proto = c->dec.ops;
	req->io = &conn_io_queued;
	req->carrier = c;
	req->id = ev->id;
	resp_error(req, ev->status, ev->end_status);
	conns_put_req(c->conns, req);
	if (c->req != NULL)
		return CONN_WAIT;
	if (!ev->keep || c->conns->last)
		return conn_drain(c);
	conn_set(c, CONN_IDLE);
	conn_begin_drain(c);
	return CONN_WAIT;
}

static enum conn_want
conn_on_error(struct conn *c, const struct proto_event *ev)
{
	if (ev->status == 0 ||
	    (c->req == NULL && conn_begin(c, ev->id, false) == -1))
		return conn_reject(c, ev->why);
	return conn_refuse(c, ev->status, ev->why, false);
}

/* In the order of enum proto_ev. A held request waits for conn_finish. */
static enum conn_want (*const conn_on[])(struct conn *,
    const struct proto_event *) = {
	[PROTO_BEGIN] = conn_on_begin, [PROTO_PARAMS] = conn_on_params,
	[PROTO_HEAD] = conn_on_head, [PROTO_BODY] = conn_on_body,
	[PROTO_END] = conn_on_end, [PROTO_ABORT] = conn_on_abort,
	[PROTO_REPLY] = conn_on_reply, [PROTO_REFUSE] = conn_on_refuse,
	[PROTO_ERROR] = conn_on_error
};

/* Neither protocol, or not the one that is spoken here. */
static enum conn_want
conn_reject_stranger(struct conn *c, const char *what)
{
	const struct proto_ops *proto = c->conns->conf->proto;
	char why[128];

	snprintf(why, sizeof(why), "this is %s, not %s", what,
	    proto != NULL ? proto->name : "FastCGI or uwsgi");
	return conn_reject(c, why);
}

/*
 * The first byte tells the protocols apart. The codec of uwsgi has a reason for
 * every modifier1 that is not 0.
 */
static enum conn_want
conn_detect(struct conn *c, const struct proto_str *in)
{
	const struct conn_conf *conf = c->conns->conf;
	const struct proto_ops *ops = proto_detect((uint8_t)in->p[0]);
	char what[64];

	if (ops == NULL || (conf->proto != NULL && ops != conf->proto)) {
		proto_guess((const uint8_t *)in->p, in->len, what,
		    sizeof(what));
		if (conf->proto == &fcgi_ops || strncmp(what, "uwsgi", 5) != 0)
			return conn_reject_stranger(c, what);
		ops = &uwsgi_ops;
	}
	c->dec.ops = ops;
	c->dec.limits = conf->limits;
	ops->init(&c->dec, NULL);
	return CONN_WAIT;
}

static enum conn_want
conn_decode(struct conn *c, struct proto_str *in)
{
	enum conn_want want = CONN_WAIT;
	struct proto_event ev;
	enum proto_ev what;

	if (c->dec.ops == NULL)
		want = conn_detect(c, in);
	while (want == CONN_WAIT && c->state != CONN_DRAIN &&
	    buf_len(&c->out) < CONN_OUT_STOP) {
		what = c->dec.ops->decode(&c->dec, in, &ev);
		if (what == PROTO_NEED)
			break;
		assert(what != PROTO_HOLD);
		want = conn_on[what](c, &ev);
	}
	if (c->state == CONN_DRAIN) {
		c->drained += in->len;
		in->len = 0;
	}
	return want;
}

/* Send our own answers, and then, where nothing follows, say so. -1: gone. */
static int
conn_flush(struct conn *c)
{
	ssize_t n;

	while (buf_len(&c->out) > 0) {
		n = send(c->fd, buf_head(&c->out), buf_len(&c->out),
		    MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			buf_drain(&c->out, (size_t)n);
	}
	buf_fini(&c->out);
	if (c->state == CONN_DRAIN && !c->shut) {
		shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
	return 0;
}

void
conn_answer(struct conn *c)
{
	if (conn_flush(c) == -1 || conn_poll_out(c))
		return;
	shutdown(c->fd, SHUT_WR);
	c->shut = true;
}

/* Decode until the input is used up, a request is whole, or we must write. */
static enum conn_want
conn_chew(struct conn *c, struct proto_str *in)
{
	enum conn_want want;

	do {
		want = conn_decode(c, in);
		if ((buf_len(&c->out) > 0 || c->state == CONN_DRAIN) &&
		    conn_flush(c) == -1)
			return CONN_OVER;
	} while (want == CONN_WAIT && in->len > 0 && !conn_poll_out(c));
	return want;
}

/* What was read before and could not be decoded yet. */
static enum conn_want
conn_resume(struct conn *c)
{
	struct proto_str in = { buf_head(&c->in), buf_len(&c->in) };
	enum conn_want want = conn_chew(c, &in);

	if (in.len == 0)
		buf_fini(&c->in);
	else
		buf_drain(&c->in, buf_len(&c->in) - in.len);
	return want;
}

/*
 * Where body bytes may be read straight to, NULL if nowhere; *n of them. *all:
 * no body byte comes behind these in the stream.
 */
static void *
conn_direct(struct conn *c, size_t *n, bool *all)
{
	uint64_t left, wanted;
	void *room;

	*all = true;
	if (c->state != CONN_BODY)
		return NULL;
	left = c->dec.ops->body_left(&c->dec);
	wanted = conn_body_wanted(c);
	*n = left < wanted ? (size_t)left : (size_t)wanted;
	if (*n == 0)
		return NULL;
	room = body_room(&c->req->body, &c->req->conf->body, n);
	*all = room == NULL || *n == left;
	return room;
}

/*
 * One read: body bytes go to where they stay, what follows them into the shared
 * buffer. *full: there may be more.
 */
static ssize_t
conn_read(struct conn *c, struct proto_str *in, bool *full)
{
	struct conns *cs = c->conns;
	struct iovec v[2] = {
		{ NULL, 0 }, { cs->scratch, sizeof(cs->scratch) }
	};
	size_t direct = 0;
	ssize_t n;
	bool all;

	*full = false;
	if ((v[0].iov_base = conn_direct(c, &direct, &all)) == NULL) {
		n = recv(c->fd, cs->scratch, sizeof(cs->scratch), 0);
		direct = 0;
	} else {
		v[0].iov_len = direct;
		n = readv(c->fd, v, all ? 2 : 1);
	}
	in->p = cs->scratch;
	in->len = 0;
	if (n <= 0)
		return n;
	*full = (size_t)n == direct + (all ? sizeof(cs->scratch) : 0);
	if (direct > (size_t)n)
		direct = (size_t)n;
	if (direct > 0) {
		body_took(&c->req->body, direct);
		c->dec.ops->took(&c->dec, direct);
	}
	in->len = (size_t)n - direct;
	return n;
}

/* Read bytes that are worth nothing count, whatever connection they are on. */
static bool
conn_is_drained(struct conn *c, size_t n)
{
	const struct conns *cs = c->conns;

	if (c->state != CONN_DRAIN && c->drain_until_ms == 0)
		return false;
	if (c->state != CONN_DRAIN)
		c->drained += n;
	return c->drained > cs->conf->drain_limit ||
	    (c->state == CONN_DRAIN && conns_now_ms(cs) > c->drain_until_ms);
}

static enum conn_want
conn_on_eof(const struct conn *c)
{
	char peer[128];

	if (c->state == CONN_HEAD || c->state == CONN_BODY)
		log_debug("%s: left before its request was whole",
		    conn_peer(c, peer, sizeof(peer)));
	return CONN_OVER;
}

/* Whether a record has begun that is not known to be a request yet. */
static bool
conn_is_mid_record(const struct conn *c)
{
	return c->dec.ops == &fcgi_ops &&
	    (c->dec.u.fcgi.have > 0 || c->dec.u.fcgi.left > 0);
}

/* Read what is there, decode it, keep what cannot be decoded yet. */
static enum conn_want
conn_take(struct conn *c)
{
	enum conn_want want = CONN_WAIT;
	struct proto_str in;
	bool full = true;
	ssize_t n;
	int i;

	for (i = 0; i < CONN_ROUNDS && full && want == CONN_WAIT &&
	    !conn_poll_out(c); i++) {
		n = conn_read(c, &in, &full);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return CONN_WAIT;
		if (n <= 0)
			return conn_on_eof(c);
		want = conn_chew(c, &in);
		if (conn_is_drained(c, (size_t)n))
			return CONN_OVER;
		if (in.len > 0 && buf_add(&c->in, in.p, in.len) == -1)
			return CONN_OVER;
	}
	return want;
}

/* Half a record is no idle connection, and a whole one no new one. */
static enum conn_want
conn_park(struct conn *c)
{
	bool mid = conn_is_mid_record(c);

	if (c->state == CONN_IDLE && mid)
		conn_set(c, CONN_NEW);
	else if (c->state == CONN_NEW && c->dec.ops == &fcgi_ops && !mid)
		conn_set(c, CONN_IDLE);
	return conns_wait(c);
}

enum conn_want
conn_feed(struct conn *c)
{
	enum conn_want want = CONN_WAIT;

	if (conn_poll_out(c) && conn_flush(c) == -1)
		return CONN_OVER;
	if (buf_len(&c->in) > 0)
		want = conn_resume(c);
	if (want == CONN_WAIT)
		want = conn_take(c);
	return want == CONN_WAIT ? conn_park(c) : want;
}

/* Bytes of the last record may still be on their way. */
static bool
conn_is_clean(const struct conn *c)
{
	return buf_len(&c->in) == 0 && !conn_is_mid_record(c);
}

/*
 * A connection that all was read from is closed at once (R5): one system call
 * less, and nothing a reset could destroy.
 */
static enum conn_want
conn_close(struct conn *c)
{
	if (conn_is_clean(c) && !conn_poll_out(c))
		return CONN_OVER;
	buf_fini(&c->in);
	conn_drain(c);
	if (conn_flush(c) == -1)
		return CONN_OVER;
	return conns_wait(c);
}

enum conn_want
conn_finish(struct conn *c)
{
	const struct resp *r = &c->req->resp;
	enum conn_want want = CONN_WAIT;
	bool keep = conn_keeps(c);

	if (r->failed)
		conn_break(c);
	if (r->failed || r->gone)
		return CONN_OVER;
	c->dec.ops->done(&c->dec, c->req->id);
	if (!keep || r->taken)
		return conn_close(c);
	conn_drop_req(c);
	conn_set(c, CONN_IDLE);
	if (buf_len(&c->in) > 0)
		want = conn_resume(c);
	if (want == CONN_WAIT)
		want = c->eof ? CONN_OVER : conn_park(c);
	return want;
}

/* Closed only with no byte to read: it might be a request. */
static enum conn_want
conn_expire_silent(struct conn *c)
{
	char byte;

	if (recv(c->fd, &byte, 1, MSG_PEEK) == 1)
		return conn_feed(c);
	return CONN_OVER;
}

enum conn_want
conn_expire(struct conn *c)
{
	if (conn_is_silent(c))
		return conn_expire_silent(c);
	if (c->state != CONN_BODY)
		return CONN_OVER;
	conn_refuse(c, 408, "client_timeout", false);
	return conn_flush(c) == -1 ? CONN_OVER : conns_wait(c);
}

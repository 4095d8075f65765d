/* SPDX-License-Identifier: MIT */
/* How responses reach a connection. */
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "req/run.h"
#include "worker/conn.h"
#include "worker/worker.h"

#define CONN_FLAT	4096	/* pieces up to this are copied together */

/*
 * While we cannot write we read, or two sides that only write wait for each
 * other for ever (R7). What comes may be the next request of a kept
 * connection. -1: the peer has reset it.
 */
int
conn_spool(struct conn *c)
{
	char bytes[CONN_SPOOL / 4];
	size_t room = CONN_SPOOL - buf_len(&c->in);
	ssize_t n;

	if (!c->req->keep || room > sizeof(bytes))
		room = sizeof(bytes);
	n = recv(c->fd, bytes, room, 0);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		c->eof = true;
	if (c->req->keep)
		return buf_add(&c->in, bytes, (size_t)n);
	c->drained += (size_t)n;
	return c->drained > c->conns->conf->drain_limit ? -1 : 0;
}

static bool
conn_io_must_leave(const struct conn *c)
{
	return c->conns->stop != NULL && *c->conns->stop == STOP_FAST;
}

/* Until some bytes may be written. -1: gone, or too slow. */
static int
conn_io_poll(struct conn *c)
{
	int64_t limit = c->conns->conf->client_ms;
	int64_t end = limit > 0 ? clock_ms() + limit : INT64_MAX, left = -1;
	struct pollfd p = { .fd = c->fd };
	int n;

	for (;;) {
		if (end != INT64_MAX && (left = end - clock_ms()) <= 0)
			return -1;
		p.events = POLLOUT;
		if (!c->eof && buf_len(&c->in) < CONN_SPOOL)
			p.events |= POLLIN;
		n = poll(&p, 1, left > INT32_MAX ? -1 : (int)left);
		if (n == -1 && errno != EINTR)
			return -1;
		if (conn_io_must_leave(c) ||
		    (n == 1 && p.revents & (POLLERR | POLLHUP)))
			return -1;
		if (n == 1 && p.revents & POLLIN && conn_spool(c) == -1)
			return -1;
		if (n == 1 && p.revents & POLLOUT)
			return 0;
	}
}

/* The same, seen by the watchdog: only a wait is broken off. */
static int
conn_io_wait(struct conn *c)
{
	struct run *run = c->req->run;

	if (!run_wait(run) || conn_io_poll(c) == -1)
		return -1;
	return run_go_on(run) ? 0 : -1;
}

/* Drop n bytes from the front of a vector. */
void
conn_advance(struct iovec **v, int *n, size_t done)
{
	while (*n > 0 && done >= (*v)->iov_len) {
		done -= (*v)->iov_len;
		(*v)++;
		(*n)--;
	}
	if (*n > 0) {
		(*v)->iov_base = (char *)(*v)->iov_base + done;
		(*v)->iov_len -= done;
	}
}

/*
 * Copied together, small pieces cost less than a vector costs the kernel.
 * Returns the length, 0 where they are too large.
 */
static size_t
conn_io_flatten(char flat[CONN_FLAT], const struct iovec *v, int n)
{
	size_t len = 0;
	int i;

	for (i = 0; i < n && v[i].iov_len <= CONN_FLAT - len; i++) {
		memcpy(flat + len, v[i].iov_base, v[i].iov_len);
		len += v[i].iov_len;
	}
	return i == n ? len : 0;
}

ssize_t
conn_send(int fd, struct iovec *v, int n)
{
	struct msghdr msg = { .msg_iov = v, .msg_iovlen = (size_t)n };
	char flat[CONN_FLAT];
	size_t len;

	if (n == 1)
		return send(fd, v->iov_base, v->iov_len, MSG_NOSIGNAL);
	if ((len = conn_io_flatten(flat, v, n)) > 0)
		return send(fd, flat, len, MSG_NOSIGNAL);
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static enum io_result
conn_io_push(struct conn *c, struct iovec *v, int n)
{
	ssize_t k;

	while (n > 0) {
		k = conn_send(c->fd, v, n);
		if (k >= 0)
			conn_advance(&v, &n, (size_t)k);
		else if (errno == EAGAIN) {
			if (conn_io_wait(c) == -1)
				return IO_GONE;
		} else if (errno != EINTR)
			return IO_GONE;
	}
	return IO_DONE;
}

/* Our own answers for other ids were first. */
static enum io_result
conn_io_first(struct conn *c)
{
	struct iovec v = { buf_head(&c->out), buf_len(&c->out) };
	enum io_result res = conn_io_push(c, &v, 1);

	buf_fini(&c->out);
	return res;
}

static enum io_result
conn_io_writev(struct req *req, struct iovec *v, int n)
{
	struct conn *c = req->carrier;

	if (unlikely(buf_len(&c->out) > 0) && conn_io_first(c) != IO_DONE)
		return IO_GONE;
	return conn_io_push(c, v, n);
}

static enum io_result
conn_io_sendfile(struct req *req, int fd, int64_t *off, uint64_t n)
{
	struct conn *c = req->carrier;
	off_t at = (off_t)*off;
	ssize_t k = 1;

	while (n > 0 && k != 0) {
		k = sendfile(c->fd, fd, &at, n < SSIZE_MAX ? (size_t)n :
		    SSIZE_MAX);
		*off = at;
		if (k >= 0)
			n -= (uint64_t)k;
		else if (errno == EAGAIN) {
			if (conn_io_wait(c) == -1)
				return IO_GONE;
		} else if (errno != EINTR)
			return IO_GONE;
	}
	return IO_DONE;
}

/* EOF is only a hint: some peers close their half once they have asked. */
static bool
conn_io_gone(struct req *req)
{
	const struct conn *c = req->carrier;
	struct pollfd p = { .fd = c->fd, .events = 0 };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
}

const struct req_io conn_io_blocking = {
	.writev = conn_io_writev,
	.sendfile = conn_io_sendfile,
	.gone = conn_io_gone
};

/* Our own answer to a request that never ran: the caller flushes it. */
static enum io_result
conn_io_queue(struct req *req, struct iovec *v, int n)
{
	struct conn *c = req->carrier;
	int i;

	for (i = 0; i < n; i++)
		if (buf_add(&c->out, v[i].iov_base, v[i].iov_len) == -1)
			return IO_GONE;
	return IO_DONE;
}

static enum io_result
conn_io_no_file(struct req *req UNUSED, int fd UNUSED, int64_t *off UNUSED,
    uint64_t n UNUSED)
{
	return IO_GONE;
}

const struct req_io conn_io_queued = {
	.writev = conn_io_queue,
	.sendfile = conn_io_no_file,
	.gone = conn_io_gone
};

/*
 * A plain close of a UNIX socket looks like an end: nginx 1.22 showed a whole
 * response where no length was declared, and let the client hang where one was.
 * A record of version 0 is an upstream that speaks nonsense, and all cut the
 * client off: nginx (buffering on and off, kept or not, length declared or
 * not), HAProxy 2.6, lighttpd 1.4, Apache 2.4 (after its keep-alive of 5 s)
 * and, with a declared length, Caddy 2.6; the same over TCP. uwsgi has no
 * records: over TCP the reset cuts as well, on a UNIX socket only a declared
 * length.
 */
void
conn_break(struct conn *c)
{
	static const char record[8] = { 0 };
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (c->dec.ops->ends_body)
		send(c->fd, record, sizeof(record), MSG_NOSIGNAL);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void
conn_cut(struct conn *c, bool mid)
{
	if (!mid)
		conn_break(c);
	shutdown(c->fd, SHUT_RDWR);
}

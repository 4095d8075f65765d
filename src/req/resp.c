/* SPDX-License-Identifier: MIT */
/* Responses: what leaves, and in how few writes. */
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <fastcgi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/proto.h"
#include "req/req.h"
#include "req/resp_head.h"
#include "req/run.h"

#define RESP_MAX	(1024 * 1024)	/* head and what is buffered */
#define RESP_VEC	64		/* pieces of one write */
#define RESP_BLOCK	32768		/* of a file without sendfile */

void
resp_reset(struct resp *r)
{
	r->out.max = RESP_MAX;
	if (r->out.cap > FCGI_MAX_LENGTH + 1)
		buf_fini(&r->out);
	resp_clear(r);
	r->wire = 0;
	r->head_out = r->ended = r->failed = r->gone = false;
	if (unlikely(r->err.data != NULL))
		buf_fini(&r->err);
	r->err.max = FCGI_MAX_LENGTH;
	r->err_sent = false;
	r->timed_out = r->taken = r->shed = false;
}

void
resp_fini(struct resp *r)
{
	buf_fini(&r->out);
	buf_fini(&r->err);
}

/* A write is being built: records, cut as the protocol cuts them. */
struct resp_vec {
	struct req	*req;
	uint64_t	 left;		/* bytes not yet behind a frame */
	size_t		 room;		/* left in the record begun */
	int		 n, nframes;
	struct iovec	 v[RESP_VEC];
	uint8_t		 frames[RESP_VEC][PROTO_FRAME_MAX];
};

static enum io_result
resp_vec_flush(struct resp_vec *w)
{
	int n = w->n;

	w->n = w->nframes = 0;
	return n == 0 ? IO_DONE : w->req->io->writev(w->req, w->v, n);
}

static void
resp_vec_push(struct resp_vec *w, const void *p, size_t n)
{
	struct iovec *v = &w->v[w->n++];

	/* writev does not write to it. */
	memcpy(&v->iov_base, &p, sizeof(p));
	v->iov_len = n;
}

static void
resp_vec_frame(struct resp_vec *w)
{
	const struct proto_ops *proto = w->req->proto;
	uint8_t *frame = w->frames[w->nframes++];
	size_t n;

	w->room = w->left < proto->record_max ? (size_t)w->left :
	    proto->record_max;
	if ((n = proto->frame(frame, w->req->id, w->room)) > 0)
		resp_vec_push(w, frame, n);
}

/* One more piece, in the next write if this one is full. */
static enum io_result
resp_vec_put(struct resp_vec *w, const void *p, size_t n)
{
	enum io_result res;

	if (w->n == RESP_VEC && (res = resp_vec_flush(w)) != IO_DONE)
		return res;
	resp_vec_push(w, p, n);
	return IO_DONE;
}

static enum io_result
resp_vec_add(struct resp_vec *w, const char *p, size_t n)
{
	enum io_result res;
	size_t k;

	for (; n > 0; p += k, n -= k) {
		if (w->n > RESP_VEC - 2 && (res = resp_vec_flush(w)) != IO_DONE)
			return res;
		if (w->room == 0)
			resp_vec_frame(w);
		k = n < w->room ? n : w->room;
		resp_vec_push(w, p, k);
		w->room -= k;
		w->left -= k;
	}
	return IO_DONE;
}

/* Text for the proxy's log, in a record of its own. */
static enum io_result
resp_vec_add_err(struct resp_vec *w, uint8_t frame[PROTO_FRAME_MAX])
{
	struct resp *r = &w->req->resp;
	size_t n = buf_len(&r->err);
	enum io_result res;

	if (n == 0)
		return IO_DONE;
	r->err_sent = true;
	res = resp_vec_put(w, frame, w->req->proto->err_frame(frame,
	    w->req->id, n));
	return res == IO_DONE ? resp_vec_put(w, buf_head(&r->err), n) : res;
}

/* The end mark, and before it that of the text for the proxy's log. */
static enum io_result
resp_vec_add_end(struct resp_vec *w, uint8_t *out)
{
	const struct req *req = w->req;
	size_t n = 0;

	if (req->resp.err_sent)
		n = req->proto->err_frame(out, req->id, 0);
	n += req->proto->end(out + n, req->id, req->app_status,
	    req->end_status);
	return n > 0 ? resp_vec_put(w, out, n) : IO_DONE;
}

/* What is buffered, what is at p, and the end mark if it is the last write. */
static enum io_result
resp_send_vec(struct req *req, struct str out, struct str p, bool last)
{
	struct resp_vec w;
	uint8_t err[PROTO_FRAME_MAX], end[PROTO_FRAME_MAX + PROTO_END_MAX];
	enum io_result res;

	/* Not its arrays: clearing them would cost more than the rest. */
	w.req = req;
	w.left = (uint64_t)out.len + p.len;
	w.room = 0;
	w.n = w.nframes = 0;
	if ((res = resp_vec_add(&w, out.p, out.len)) != IO_DONE ||
	    (res = resp_vec_add(&w, p.p, p.len)) != IO_DONE ||
	    (res = resp_vec_add_err(&w, err)) != IO_DONE ||
	    (last && (res = resp_vec_add_end(&w, end)) != IO_DONE))
		return res;
	return resp_vec_flush(&w);
}

/*
 * The whole small response in one piece: the frame goes into the room before
 * the head, the end mark behind the body.
 */
static enum io_result
resp_send_whole(struct req *req, size_t len)
{
	struct resp *r = &req->resp;
	uint8_t frame[PROTO_FRAME_MAX];
	struct iovec v;
	size_t n = req->proto->frame(frame, req->id, len);
	char *start = r->out.data + PROTO_FRAME_MAX - n;

	memcpy(start, frame, n);
	r->out.end += req->proto->end((uint8_t *)r->out.data + r->out.end,
	    req->id, req->app_status, req->end_status);
	v.iov_base = start;
	v.iov_len = (size_t)(r->out.data + r->out.end - start);
	return req->io->writev(req, &v, 1);
}

/* R9 or 503: what was to be sent does not fit into memory. */
static enum io_result
resp_no_memory(struct req *req)
{
	log_errorx("no memory for a response");
	req->resp.failed = true;
	return IO_GONE;
}

/* Not where somebody else has answered, or broken the response off. */
static bool
resp_may_write(struct req *req)
{
	if (unlikely(!run_write(req->run)))
		req->resp.gone = true;
	return !req->resp.gone;
}

static enum io_result
resp_wrote(struct req *req, enum io_result res, bool last)
{
	if (!last && unlikely(!run_wrote(req->run)))
		res = IO_GONE;
	if (res == IO_GONE)
		req->resp.gone = true;
	return res;
}

/* Every byte leaves through here; p has been taken into account before. */
static enum io_result
resp_send(struct req *req, const void *p, size_t n, bool last)
{
	struct resp *r = &req->resp;
	struct str out = { NULL, 0 };
	enum io_result res;

	if (r->failed || r->gone)
		return IO_GONE;
	if (!r->head_out) {
		if (r->head_end == 0 && resp_close_head(req) == -1)
			return resp_no_memory(req);
		out = (struct str){ r->out.data + PROTO_FRAME_MAX,
		    r->out.end - PROTO_FRAME_MAX };
	}
	if (!resp_may_write(req))
		return IO_GONE;
	r->head_out = true;
	r->ended = last;
	if (last && n == 0 && out.len > 0 &&
	    out.len <= req->proto->record_max && buf_len(&r->err) == 0 &&
	    buf_reserve(&r->out, PROTO_END_MAX) == 0)
		res = resp_send_whole(req, out.len);
	else
		res = resp_send_vec(req, out, (struct str){ p, n }, last);
	buf_clear(&r->err);
	if ((res = resp_wrote(req, res, last)) != IO_GONE)
		r->wire = r->body;
	return res;
}

static void
resp_warn_cut(const struct req *req)
{
	char line[256];

	log_warnx("%s: response longer than its Content-Length of %lld: cut",
	    req_line(req, line, sizeof(line)),
	    (long long)req->resp.declared);
}

/* Count body bytes; returns how many of n may go out (R10, R12). */
static size_t
resp_take(struct req *req, size_t n)
{
	struct resp *r = &req->resp;
	uint64_t left;

	assert(r->status != 0);
	if (r->bodyless)
		return 0;
	if (r->declared != -1) {
		left = (uint64_t)r->declared - r->body;
		if (n > left) {
			if (!r->cut)
				resp_warn_cut(req);
			r->cut = true;
			n = (size_t)left;
		}
	}
	r->body += n;
	return n;
}

int
resp_buffer(struct req *req, const void *p, size_t n)
{
	struct resp *r = &req->resp;

	if (n == 0)
		return 0;
	if (r->head_out || (r->head_end == 0 && resp_close_head(req) == -1))
		return -1;
	if (r->out.end + n > PROTO_FRAME_MAX + FCGI_MAX_LENGTH ||
	    buf_reserve(&r->out, n + PROTO_END_MAX) == -1)
		return -1;
	n = resp_take(req, n);
	memcpy(r->out.data + r->out.end, p, n);
	r->out.end += n;
	return 0;
}

enum io_result
resp_write(struct req *req, const void *p, size_t n)
{
	if (n > 0)
		n = resp_take(req, n);
	if (n == 0)
		return req->resp.gone ? IO_GONE : IO_DONE;
	return resp_send(req, p, n, false);
}

enum io_result
resp_flush(struct req *req)
{
	if (req->resp.head_out)
		return req->resp.gone ? IO_GONE : IO_DONE;
	return resp_send(req, NULL, 0, false);
}

static bool
resp_is_short(const struct resp *r)
{
	return !r->bodyless && r->declared != -1 &&
	    r->body < (uint64_t)r->declared;
}

static void
resp_fail_short(struct req *req)
{
	char line[256];

	log_errorx("%s: response ended after %llu of %lld bytes declared",
	    req_line(req, line, sizeof(line)),
	    (unsigned long long)req->resp.body,
	    (long long)req->resp.declared);
	resp_abort(req);
}

enum io_result
resp_last(struct req *req, const void *p, size_t n)
{
	struct resp *r = &req->resp;

	if (r->ended || r->failed || r->gone)
		return r->gone ? IO_GONE : IO_DONE;
	if (r->status == 0) {
		resp_error(req, 500, FCGI_REQUEST_COMPLETE);
		return IO_DONE;
	}
	if (n > 0)
		n = resp_take(req, n);
	if (resp_is_short(r)) {
		resp_fail_short(req);
		return IO_DONE;
	}
	return resp_send(req, p, n, true);
}

enum io_result
resp_end(struct req *req)
{
	return resp_last(req, NULL, 0);
}

void
resp_abort(struct req *req)
{
	struct resp *r = &req->resp;

	if (r->ended || r->gone)
		return;
	req->app_status = 1;
	if (r->head_out)
		r->failed = true;
	else
		resp_error(req, 500, FCGI_REQUEST_COMPLETE);
}

/* Never without a head: Apache would show an empty 200 (R2). */
void
resp_error(struct req *req, int status, int end_status)
{
	struct resp *r = &req->resp;
	char line[64], text[64];
	const char *why;
	int n, len;

	if (r->head_out)
		return;
	n = snprintf(line, sizeof(line), "%d %s", status, resp_reason(status));
	len = snprintf(text, sizeof(text), "%s\n", line);
	req->end_status = (uint8_t)end_status;
	if (resp_start(req, (struct str){ line, (size_t)n }, &why) == -1 ||
	    resp_header(req, STR("Content-Type"), STR("text/plain"),
	    &why) == -1 || (end_status == FCGI_OVERLOADED &&
	    resp_header(req, STR("Retry-After"), STR("1"), &why) == -1) ||
	    resp_length(req, (uint64_t)len) == -1 ||
	    resp_buffer(req, text, (size_t)len) == -1) {
		r->failed = true;
		return;
	}
	resp_end(req);
}

/* Without a head it would be a 502, or Apache's empty 200: it waits for one. */
void
resp_stderr(struct req *req, const void *p, size_t n)
{
	struct resp *r = &req->resp;
	uint8_t frame[PROTO_FRAME_MAX];
	size_t room = r->err.max - buf_len(&r->err);

	if (!req->conf->proxy_stderr || r->ended ||
	    req->proto->err_frame(frame, req->id, 0) == 0)
		return;
	if (buf_add(&r->err, p, n < room ? n : room) == -1)
		log_errorx("no memory for text to the proxy");
}

/* Blocks of the file, for carriers and files without sendfile. */
static enum io_result
resp_copy_file(struct req *req, int fd, int64_t *off, uint64_t n)
{
	enum io_result res = IO_DONE;
	char block[RESP_BLOCK];
	ssize_t k;

	while (n > 0 && res == IO_DONE) {
		do
			k = pread(fd, block, n < sizeof(block) ? (size_t)n :
			    sizeof(block), *off);
		while (k == -1 && errno == EINTR);
		if (k <= 0)
			break;
		res = resp_write(req, block, (size_t)k);
		*off += k;
		n -= (uint64_t)k;
	}
	return res;
}

/* One record whose bytes come from the file, with its frame before it. */
static enum io_result
resp_send_record(struct req *req, int fd, int64_t *off, size_t n)
{
	struct resp *r = &req->resp;
	uint8_t frame[PROTO_FRAME_MAX];
	struct iovec v = { frame, req->proto->frame(frame, req->id, n) };
	int64_t from = *off;
	enum io_result res = IO_DONE;

	if (!resp_may_write(req))
		return IO_GONE;
	if (v.iov_len > 0)
		res = req->io->writev(req, &v, 1);
	if (res == IO_DONE)
		res = req->io->sendfile(req, fd, off, n);
	r->wire += (uint64_t)(*off - from);
	res = resp_wrote(req, res, false);
	/* It shrank, and the frame has promised the bytes. */
	if (res == IO_DONE && *off - from < (int64_t)n)
		r->failed = true;
	return r->failed ? IO_GONE : res;
}

/* A small file is cheaper copied: it leaves with the head in one write. */
enum io_result
resp_sendfile(struct req *req, int fd, int64_t *off, uint64_t n)
{
	struct resp *r = &req->resp;
	enum io_result res = IO_DONE;
	size_t k;

	if (!req->conf->sendfile || n <= RESP_BLOCK || r->bodyless)
		return resp_copy_file(req, fd, off, n);
	if (!r->head_out)
		res = resp_send(req, NULL, 0, false);
	n = resp_take(req, n < SIZE_MAX ? (size_t)n : SIZE_MAX);
	for (; n > 0 && res == IO_DONE; n -= k) {
		k = n < req->proto->record_max ? (size_t)n :
		    req->proto->record_max;
		res = resp_send_record(req, fd, off, k);
	}
	return res;
}

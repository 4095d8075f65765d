/* SPDX-License-Identifier: MIT */
/* Responses: what may leave, in which order, and in how few writes. */
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

#define RESP_FIRST	2048		/* room for a usual head and body */
#define RESP_MAX	(1024 * 1024)	/* head and what is buffered */
#define RESP_WARN_HEAD	4000		/* R11 */
#define RESP_VEC	64		/* pieces of one write */
#define RESP_BLOCK	32768		/* of a file without sendfile */

#define ONES		UINT64_C(0x0101010101010101)

/* RFC 9110 tokens: the bytes a header's name is made of. */
static const bool resp_token[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
	['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
	['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true
};

static const struct {
	int		 status;
	const char	*reason;
} resp_reasons[] = {
	{ 400, "Bad Request" }, { 404, "Not Found" },
	{ 408, "Request Timeout" }, { 413, "Content Too Large" },
	{ 414, "URI Too Long" }, { 426, "Upgrade Required" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }
};

const char *
resp_reason(int status)
{
	size_t i;

	for (i = 0; i < nitems(resp_reasons); i++)
		if (resp_reasons[i].status == status)
			return resp_reasons[i].reason;
	return "Error";
}

/* Nothing gathered yet, and headers may come. */
static void
resp_clear(struct resp *r)
{
	buf_clear(&r->out);
	r->head_end = 0;
	r->status = 0;
	r->declared = -1;
	r->body = 0;
	r->bodyless = r->sse = r->accel = r->cut = false;
}

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
}

void
resp_fini(struct resp *r)
{
	buf_fini(&r->out);
	buf_fini(&r->err);
}

static void
resp_put(struct resp *r, const char *p, size_t n)
{
	memcpy(r->out.data + r->out.end, p, n);
	r->out.end += n;
}

static bool
resp_has_control(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* "NNN reason" to its number, 0 if it is none. */
static int
resp_parse_status(struct str s)
{
	int i, n = 0;

	if (s.len < 4 || s.p[3] != ' ')
		return 0;
	for (i = 0; i < 3; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

/* 101 is a WebSocket's; any other 1xx would end in the body (R13). */
static const char *
resp_check_status(struct str s, int *status)
{
	*status = resp_parse_status(s);
	if (*status == 0)
		return "status is not three digits, a space and a reason";
	if (*status < 200)
		return "status is below 200";
	if (resp_has_control(s))
		return "status has a control character";
	return NULL;
}

static bool
resp_is_head(const struct req *req)
{
	struct str method = req->params.known[PARAM_REQUEST_METHOD];

	return method.len == 4 && memcmp(method.p, "HEAD", 4) == 0;
}

int
resp_start(struct req *req, struct str status, const char **why)
{
	struct resp *r = &req->resp;
	int code;
	char *text;

	assert(!r->head_out);
	if ((*why = resp_check_status(status, &code)) != NULL)
		return -1;
	if ((text = arena_alloc(&req->arena, status.len)) == NULL ||
	    buf_reserve(&r->out, RESP_FIRST + status.len) == -1) {
		*why = "out of memory";
		return -1;
	}
	memcpy(text, status.p, status.len);
	resp_clear(r);
	r->status = (uint16_t)code;
	r->reason = (struct str){ text, status.len };
	r->bodyless = code == 204 || code == 304 || resp_is_head(req);
	r->out.end = PROTO_FRAME_MAX;
	if (req->proto->status_line) {
		resp_put(r, "HTTP/1.1 ", 9);
		resp_put(r, text, status.len);
		resp_put(r, "\r\n", 2);
	}
	return 0;
}

/* Its length is not declared, and no body is counted: a tunnel follows. */
int
resp_start_upgrade(struct req *req, const char **why)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n";
	struct resp *r = &req->resp;

	assert(!r->head_out && req->proto->status_line);
	if (buf_reserve(&r->out, RESP_FIRST) == -1) {
		*why = "out of memory";
		return -1;
	}
	resp_clear(r);
	r->status = 101;
	r->reason = STR("101 Switching Protocols");
	r->out.end = PROTO_FRAME_MAX;
	resp_put(r, head, sizeof(head) - 1);
	return 0;
}

/* Headers that are more than a line to pass on. */
enum resp_name {
	NAME_OTHER, NAME_STATUS, NAME_HOP, NAME_LENGTH, NAME_TYPE, NAME_ACCEL
};

/*
 * Whether a token is this lower-case name of letters and hyphens: of a token's
 * bytes only these become them by setting one bit.
 */
static bool
resp_is_named(struct str token, struct str name)
{
	uint64_t a, b, diff = 0;
	size_t i;

	if (token.len != name.len)
		return false;
	for (i = 0; i + sizeof(a) <= name.len; i += sizeof(a)) {
		memcpy(&a, token.p + i, sizeof(a));
		memcpy(&b, name.p + i, sizeof(b));
		diff |= (a | ONES * 0x20) ^ b;
	}
	for (; i < name.len; i++)
		diff |= (uint64_t)((token.p[i] | 0x20) ^ name.p[i]);
	return diff == 0;
}

static enum resp_name
resp_name(struct str name)
{
	static const struct {
		struct str	 name;
		enum resp_name	 what;
	} names[] = {
#define NAME(text, what) { { (text), sizeof(text) - 1 }, (what) }
		NAME("content-type", NAME_TYPE),
		NAME("content-length", NAME_LENGTH),
		NAME("status", NAME_STATUS),
		NAME("transfer-encoding", NAME_HOP),
		NAME("connection", NAME_HOP),
		NAME("keep-alive", NAME_HOP),
		NAME("proxy-connection", NAME_HOP),
		NAME("te", NAME_HOP),
		NAME("trailer", NAME_HOP),
		NAME("upgrade", NAME_HOP),
		NAME("x-accel-buffering", NAME_ACCEL),
#undef NAME
	};
	size_t i;

	for (i = 0; i < nitems(names); i++)
		if (resp_is_named(name, names[i].name))
			return names[i].what;
	return NAME_OTHER;
}

static bool
resp_is_token(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!resp_token[(unsigned char)s.p[i]])
			return false;
	return s.len > 0;
}

/*
 * No CR, LF or NUL. Eight bytes are looked at at once: one below 0x20 leaves
 * its high bit, and only then is it asked which one it is.
 */
static bool
resp_is_value(struct str s)
{
	uint64_t x;

	while (s.len >= sizeof(x)) {
		memcpy(&x, s.p, sizeof(x));
		if (((x - ONES * 0x20) & ~x & ONES * 0x80) != 0)
			break;
		s.p += sizeof(x);
		s.len -= sizeof(x);
	}
	for (; s.len > 0; s.p++, s.len--)
		if (*s.p == '\r' || *s.p == '\n' || *s.p == '\0')
			return false;
	return true;
}

/* 1*DIGIT up to 2^63-1; -1 if it is anything else. */
static int64_t
resp_parse_length(struct str s)
{
	int64_t n = 0;
	size_t i;

	if (s.len == 0)
		return -1;
	for (i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, s.p[i] - '0', &n))
			return -1;
	return n;
}

/* What becomes of a header; the first three are resp_header's answers. */
enum resp_fate {
	FATE_REFUSE = -1, FATE_ADD, FATE_HOP, FATE_DROP
};

static enum resp_fate
resp_refuse(const char **why, const char *text)
{
	*why = text;
	return FATE_REFUSE;
}

/* Once, and a number (R10); nginx would relay it with a 204 (R12). */
static enum resp_fate
resp_set_length(struct resp *r, struct str value, const char **why)
{
	int64_t n = resp_parse_length(value);

	if (n == -1)
		return resp_refuse(why, "Content-Length is not a number");
	if (r->declared != -1)
		return resp_refuse(why, "Content-Length is given twice");
	r->declared = n;
	return r->status == 204 ? FATE_DROP : FATE_ADD;
}

static bool
resp_is_sse(struct str type)
{
	struct str sse = STR("text/event-stream");

	if (type.len > sse.len)
		type.len = sse.len;
	return str_caseeq(type, sse);
}

static int
resp_add_line(struct resp *r, struct str name, struct str value)
{
	if (buf_reserve(&r->out, name.len + value.len + 4) == -1)
		return -1;
	resp_put(r, name.p, name.len);
	resp_put(r, ": ", 2);
	resp_put(r, value.p, value.len);
	resp_put(r, "\r\n", 2);
	return 0;
}

/* What a known name means. */
static enum resp_fate
resp_apply(struct resp *r, struct str name, struct str value, const char **why)
{
	switch (resp_name(name)) {
	case NAME_STATUS:
		return resp_refuse(why, "Status is the server's to write");
	case NAME_LENGTH:
		return resp_set_length(r, value, why);
	case NAME_TYPE:
		r->sse = resp_is_sse(value);
		return FATE_ADD;
	case NAME_ACCEL:
		r->accel = true;
		return FATE_ADD;
	case NAME_HOP:
		return FATE_HOP;
	default:
		return FATE_ADD;
	}
}

int
resp_header(struct req *req, struct str name, struct str value,
    const char **why)
{
	struct resp *r = &req->resp;
	enum resp_fate fate;

	if (!resp_is_token(name))
		return resp_refuse(why, "header name is not a token");
	if (!resp_is_value(value))
		return resp_refuse(why, "header value has CR, LF or NUL");
	value = str_trim(value);
	if ((fate = resp_apply(r, name, value, why)) == FATE_ADD &&
	    resp_add_line(r, name, value) == -1)
		return resp_refuse(why, "response head is too large");
	return fate == FATE_DROP ? FATE_ADD : fate;
}

/* Decimal digits before end, which is behind the last. */
static struct str
resp_format(uint64_t n, char *end)
{
	char *p = end;

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return (struct str){ p, (size_t)(end - p) };
}

int
resp_length(struct req *req, uint64_t n)
{
	struct resp *r = &req->resp;
	char digits[20];

	if (r->declared != -1 || r->status == 204 || r->status == 304 ||
	    (n == 0 && r->bodyless))
		return 0;
	r->declared = (int64_t)n;
	return resp_add_line(r, STR("Content-Length"),
	    resp_format(n, digits + sizeof(digits)));
}

/*
 * nginx alone holds small chunks back and understands the header; its stock
 * uwsgi parameters do not say who it is (R16).
 */
static bool
resp_is_nginx(const struct req *req)
{
	struct str who = req->params.known[PARAM_SERVER_SOFTWARE];

	if (who.p == NULL)
		return req->proto->status_line;
	return str_starts(who, STR("nginx"));
}

static void
resp_warn_head(const struct req *req, size_t len)
{
	static struct log_rate rate;
	char line[256];

	log_rated(&rate, LOG_WARN_, "%s: response head of %zu bytes: a proxy "
	    "with its default buffer answers 502 (nginx: fastcgi_buffer_size, "
	    "uwsgi_buffer_size)", req_line(req, line, sizeof(line)), len);
}

/*
 * Close the head. On FastCGI Status is its last line (R4): HAProxy would turn
 * a 201 with Location into a 302, others need it to see the status at all.
 */
static int
resp_close_head(struct req *req)
{
	struct resp *r = &req->resp;

	if (r->sse && !r->accel && resp_is_nginx(req) &&
	    resp_add_line(r, STR("X-Accel-Buffering"), STR("no")) == -1)
		return -1;
	if (!req->proto->status_line &&
	    resp_add_line(r, STR("Status"), r->reason) == -1)
		return -1;
	if (buf_add(&r->out, "\r\n", 2) == -1)
		return -1;
	r->head_end = r->out.end;
	if (unlikely(r->head_end - PROTO_FRAME_MAX > RESP_WARN_HEAD))
		resp_warn_head(req, r->head_end - PROTO_FRAME_MAX);
	return 0;
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
		r->head_out = true;
	}
	r->ended = last;
	if (last && n == 0 && out.len > 0 &&
	    out.len <= req->proto->record_max && buf_len(&r->err) == 0 &&
	    buf_reserve(&r->out, PROTO_END_MAX) == 0)
		res = resp_send_whole(req, out.len);
	else
		res = resp_send_vec(req, out, (struct str){ p, n }, last);
	buf_clear(&r->err);
	if (res == IO_GONE)
		r->gone = true;
	else
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
	resp_put(r, p, resp_take(req, n));
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

	if (v.iov_len > 0)
		res = req->io->writev(req, &v, 1);
	if (res == IO_DONE)
		res = req->io->sendfile(req, fd, off, n);
	r->wire += (uint64_t)(*off - from);
	if (res == IO_GONE)
		r->gone = true;
	/* It shrank, and the frame has promised the bytes. */
	else if (res == IO_DONE && *off - from < (int64_t)n)
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

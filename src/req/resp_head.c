/* SPDX-License-Identifier: MIT */
/* The head of a response: what is refused, what is dropped, in which order. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proto/proto.h"
#include "req/req.h"
#include "req/resp_head.h"

#define RESP_FIRST	2048		/* room for a usual head and body */
#define RESP_WARN_HEAD	4000		/* R11 */

#define ONES		UINT64_C(0x0101010101010101)

/* RFC 9110 tokens: the bytes a header's name is made of. */
static const bool head_token[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
	['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
	['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true
};

static const struct {
	int		 status;
	const char	*reason;
} head_reasons[] = {
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

	for (i = 0; i < nitems(head_reasons); i++)
		if (head_reasons[i].status == status)
			return head_reasons[i].reason;
	return "Error";
}

/* Nothing gathered yet, and headers may come. */
void
resp_clear(struct resp *r)
{
	buf_clear(&r->out);
	r->head_end = 0;
	r->status = 0;
	r->declared = -1;
	r->body = 0;
	r->bodyless = r->sse = r->accel = r->cut = false;
}

static void
head_put(struct resp *r, const char *p, size_t n)
{
	memcpy(r->out.data + r->out.end, p, n);
	r->out.end += n;
}

static bool
head_has_control(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* "NNN reason" to its number, 0 if it is none. */
static int
head_parse_status(struct str s)
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
head_check_status(struct str s, int *status)
{
	*status = head_parse_status(s);
	if (*status == 0)
		return "status is not three digits, a space and a reason";
	if (*status < 200)
		return "status is below 200";
	if (head_has_control(s))
		return "status has a control character";
	return NULL;
}

static bool
head_is_head(const struct req *req)
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
	if ((*why = head_check_status(status, &code)) != NULL)
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
	r->bodyless = code == 204 || code == 304 || head_is_head(req);
	r->out.end = PROTO_FRAME_MAX;
	if (req->proto->status_line) {
		head_put(r, "HTTP/1.1 ", 9);
		head_put(r, text, status.len);
		head_put(r, "\r\n", 2);
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
	head_put(r, head, sizeof(head) - 1);
	return 0;
}

/* Headers that are more than a line to pass on. */
enum head_name {
	NAME_OTHER, NAME_STATUS, NAME_HOP, NAME_LENGTH, NAME_TYPE, NAME_ACCEL
};

/*
 * Whether a token is this lower-case name of letters and hyphens: of a token's
 * bytes only these become them by setting one bit.
 */
static bool
head_is_named(struct str token, struct str name)
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

static enum head_name
head_name(struct str name)
{
	static const struct {
		struct str	 name;
		enum head_name	 what;
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
		if (head_is_named(name, names[i].name))
			return names[i].what;
	return NAME_OTHER;
}

static bool
head_is_token(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!head_token[(unsigned char)s.p[i]])
			return false;
	return s.len > 0;
}

/*
 * No CR, LF or NUL. Eight bytes are looked at at once: one below 0x20 leaves
 * its high bit, and only then is it asked which one it is.
 */
static bool
head_is_value(struct str s)
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
head_parse_length(struct str s)
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
enum head_fate {
	FATE_REFUSE = -1, FATE_ADD, FATE_HOP, FATE_DROP
};

static enum head_fate
head_refuse(const char **why, const char *text)
{
	*why = text;
	return FATE_REFUSE;
}

/* Once, and a number (R10); nginx would relay it with a 204 (R12). */
static enum head_fate
head_set_length(struct resp *r, struct str value, const char **why)
{
	int64_t n = head_parse_length(value);

	if (n == -1)
		return head_refuse(why, "Content-Length is not a number");
	if (r->declared != -1)
		return head_refuse(why, "Content-Length is given twice");
	r->declared = n;
	return r->status == 204 ? FATE_DROP : FATE_ADD;
}

static bool
head_is_sse(struct str type)
{
	struct str sse = STR("text/event-stream");

	if (type.len > sse.len)
		type.len = sse.len;
	return str_caseeq(type, sse);
}

static int
head_add_line(struct resp *r, struct str name, struct str value)
{
	if (buf_reserve(&r->out, name.len + value.len + 4) == -1)
		return -1;
	head_put(r, name.p, name.len);
	head_put(r, ": ", 2);
	head_put(r, value.p, value.len);
	head_put(r, "\r\n", 2);
	return 0;
}

/* What a known name means. */
static enum head_fate
head_apply(struct resp *r, struct str name, struct str value, const char **why)
{
	switch (head_name(name)) {
	case NAME_STATUS:
		return head_refuse(why, "Status is the server's to write");
	case NAME_LENGTH:
		return head_set_length(r, value, why);
	case NAME_TYPE:
		r->sse = head_is_sse(value);
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
	enum head_fate fate;

	if (!head_is_token(name))
		return head_refuse(why, "header name is not a token");
	if (!head_is_value(value))
		return head_refuse(why, "header value has CR, LF or NUL");
	value = str_trim(value);
	if ((fate = head_apply(r, name, value, why)) == FATE_ADD &&
	    head_add_line(r, name, value) == -1)
		return head_refuse(why, "response head is too large");
	return fate == FATE_DROP ? FATE_ADD : fate;
}

/* Decimal digits before end, which is behind the last. */
static struct str
head_format(uint64_t n, char *end)
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
	return head_add_line(r, STR("Content-Length"),
	    head_format(n, digits + sizeof(digits)));
}

/*
 * nginx alone holds small chunks back and understands the header; its stock
 * uwsgi parameters do not say who it is (R16).
 */
static bool
head_is_nginx(const struct req *req)
{
	struct str who = req->params.known[PARAM_SERVER_SOFTWARE];

	if (who.p == NULL)
		return req->proto->status_line;
	return str_starts(who, STR("nginx"));
}

static void
head_warn_head(const struct req *req, size_t len)
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
int
resp_close_head(struct req *req)
{
	struct resp *r = &req->resp;

	if (r->sse && !r->accel && head_is_nginx(req) &&
	    head_add_line(r, STR("X-Accel-Buffering"), STR("no")) == -1)
		return -1;
	if (!req->proto->status_line &&
	    head_add_line(r, STR("Status"), r->reason) == -1)
		return -1;
	if (buf_add(&r->out, "\r\n", 2) == -1)
		return -1;
	r->head_end = r->out.end;
	if (unlikely(r->head_end - PROTO_FRAME_MAX > RESP_WARN_HEAD))
		head_warn_head(req, r->head_end - PROTO_FRAME_MAX);
	return 0;
}

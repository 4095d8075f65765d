/* SPDX-License-Identifier: MIT */
/*
 * From the raw parameter block to what an environ is made of: pairs are taken
 * apart, names classified, values checked, and what proxies disagree about is
 * computed.
 */
#include <string.h>

#include "base/bytes.h"
#include "proto/pair.h"
#include "req/params.h"
#include "req/params_path.h"
#include "req/params_shape.h"

#define PAIRS_FIRST	64	/* room before the first growth */
#define METHOD_MAX	64

static int
params_refuse(int status, const char **why, const char *text)
{
	*why = text;
	return status;
}

/* Double the room for pairs; the old ones are kept where that fails. */
static struct param *
params_grow(struct params *p, size_t *room, struct arena *arena)
{
	size_t size = *room == 0 ? PAIRS_FIRST : 2 * *room;
	struct param *v;

	v = arena_grow(arena, p->v, *room * sizeof(*v), size * sizeof(*v));
	if (v != NULL) {
		p->v = v;
		*room = size;
	}
	return v;
}

/* One pair into *a: 1, 0 at the end of the block, -1 if it is malformed. */
static inline int
params_pair(struct proto_str *block, int (*pair)(struct proto_str *,
    struct proto_str *, struct proto_str *), struct param *a)
{
	struct proto_str name, value;
	int got = pair(block, &name, &value);

	if (got == 1) {
		a->name = (struct str){ name.p, name.len };
		a->value = (struct str){ value.p, value.len };
	}
	return got;
}

/* The pairs from v[*n] on that there is room for; answers as params_pair. */
static inline int
params_fill(struct param *v, size_t *n, size_t room, struct proto_str *in,
    int (*pair)(struct proto_str *, struct proto_str *, struct proto_str *))
{
	struct proto_str block = *in;
	size_t i;
	int got = 1;

	for (i = *n; i < room && (got = params_pair(&block, pair, &v[i])) == 1;
	    i++)
		;
	*n = i;
	*in = block;
	return got;
}

/* Take the block apart. */
static int
params_split(struct params *p, unsigned count_max, const struct proto_ops *ops,
    struct proto_str block, struct arena *arena, const char **why)
{
	size_t room = 0, n = 1;
	int got = 1;

	if (count_max >= UINT16_MAX)
		count_max = UINT16_MAX - 1;
	while (got == 1 && n <= (size_t)count_max + 1) {
		if (params_grow(p, &room, arena) == NULL)
			return params_refuse(503, why,
			    "no memory for the parameters");
		got = ops == &fcgi_ops ?
		    params_fill(p->v, &n, room, &block, fcgi_pair) :
		    params_fill(p->v, &n, room, &block, ops->pair);
	}
	if (got == -1)
		return params_refuse(400, why, "malformed parameters");
	if (n > (size_t)count_max + 1)
		return params_refuse(431, why, "params_count");
	memset(&p->v[0], 0, sizeof(p->v[0]));
	p->n = (uint16_t)n;
	return 0;
}

/*
 * Whether a value has NUL, CR or LF, or another control byte up to CR: they
 * are rare, so one test for all of them comes first.
 */
static inline bool
params_is_suspect(struct str s)
{
	return bytes_have_less(s.p, s.len, '\r' + 1);
}

static int
params_check_suspect(const struct param *a, const char **why)
{
	struct str s = a->value;

	if (a->name.len == 0)
		return 0;
	if (memchr(s.p, '\0', s.len) != NULL)
		return params_refuse(400, why, "NUL in a parameter");
	if (a->is.http && (memchr(s.p, '\r', s.len) != NULL ||
	    memchr(s.p, '\n', s.len) != NULL))
		return params_refuse(400, why, "line end in a request header");
	return 0;
}

/*
 * CONTENT_LENGTH: 1*DIGIT up to 2^63-1. Absent, empty and negative mean that
 * it is not known, which does not contradict a number sent beside it.
 */
static int
params_take_length(struct params *p, struct str s, const char **why)
{
	bool negative = s.len > 1 && s.p[0] == '-';
	int64_t n = 0;
	size_t i;

	for (i = negative; i < s.len; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9 ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, digit, &n))
			return params_refuse(400, why, "bad CONTENT_LENGTH");
	}
	if (s.len == 0 || negative)
		return 0;
	if (p->content_length != -1 && p->content_length != n)
		return params_refuse(400, why, "different CONTENT_LENGTHs");
	p->content_length = n;
	return 0;
}

/* A parameter the server itself looks at. */
static int
params_note(struct params *p, const struct params_conf *conf, struct param *a,
    const char **why)
{
	struct str value = a->value;

	switch (a->is.id) {
	case PARAM_CONTENT_LENGTH:
		return params_take_length(p, value, why);
	case PARAM_REQUEST_URI:
		if (conf->line_max > 0 && value.len > conf->line_max)
			return params_refuse(414, why, "limit_request_line");
		break;
	case PARAM_CONTENT_TYPE:
		a->is.keep = a->is.keep && value.len > 0;
		break;
	case PARAM_REMOTE_USER:
	case PARAM_AUTH_TYPE:
		if (!conf->remote_user) {
			a->is.keep = false;
			return 0;
		}
		break;
	case PARAM_HTTP_X_FORWARDED_PROTO:
		/* The second of a list, and lists are not believed. */
		if (!a->is.keep)
			value = STR("");
		break;
	}
	p->known[a->is.id] = value;
	return 0;
}

/* Look at every value. */
static int
params_check(struct params *p, const struct params_conf *conf,
    const char **why)
{
	struct param *a, *end = p->v + p->n;
	int status;

	for (a = p->v + 1; a < end; a++) {
		if (unlikely(params_is_suspect(a->value)) &&
		    (status = params_check_suspect(a, why)) != 0)
			return status;
		if (a->is.id != PARAM_OTHER &&
		    (status = params_note(p, conf, a, why)) != 0)
			return status;
	}
	return 0;
}

/* Limits of HTTP servers, which proxies have: off unless they were set. */
static int
params_check_fields(const struct params *p, const struct params_conf *conf,
    const char **why)
{
	const struct param *a, *end = p->v + p->n;
	size_t fields = 0;

	if (conf->fields_max == 0 && conf->field_size_max == 0)
		return 0;
	for (a = p->v + 1; a < end; a++) {
		if (a->is.http && conf->field_size_max > 0 &&
		    a->value.len > conf->field_size_max)
			return params_refuse(431, why,
			    "limit_request_field_size");
		fields += a->is.http;
	}
	if (conf->fields_max > 0 && fields > conf->fields_max)
		return params_refuse(431, why, "limit_request_fields");
	return 0;
}

/* tchar of RFC 9110. */
static bool
params_is_token(struct str s)
{
	static const char other[] = "!#$%&'*+-.^_`|~";
	size_t i;

	for (i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') &&
		    memchr(other, c, sizeof(other) - 1) == NULL)
			return false;
	}
	return s.len > 0;
}

/* As sent; where it is absent, what the REQUEST_URI has behind its "?". */
static struct str
params_query(const struct params *p)
{
	struct str uri = p->known[PARAM_REQUEST_URI];
	const char *q;

	if (p->known[PARAM_QUERY_STRING].p != NULL)
		return p->known[PARAM_QUERY_STRING];
	if (uri.len == 0 || (q = memchr(uri.p, '?', uri.len)) == NULL)
		return STR("");
	return (struct str){ q + 1, (size_t)(uri.p + uri.len - q - 1) };
}

static bool
params_is_scheme(struct str s)
{
	return s.len > 0 && (str_eq(s, STR("http")) || str_eq(s, STR("https")));
}

/* HTTPS says yes in four ways, and in all others nothing. */
static bool
params_is_on(struct str s)
{
	return s.len > 0 && (str_caseeq(s, STR("on")) ||
	    str_caseeq(s, STR("1")) || str_caseeq(s, STR("true")) ||
	    str_caseeq(s, STR("https")));
}

static struct str
params_scheme(const struct params *p, const struct params_conf *conf,
    bool trusted)
{
	static const enum param_id says[] = {
		PARAM_REQUEST_SCHEME, PARAM_UWSGI_SCHEME,
		PARAM_HTTP_X_FORWARDED_PROTO
	};
	size_t i, n = nitems(says) - !trusted;

	if (conf->scheme.len > 0)
		return conf->scheme;
	if (params_is_on(p->known[PARAM_HTTPS]))
		return STR("https");
	for (i = 0; i < n; i++)
		if (params_is_scheme(p->known[says[i]]))
			return p->known[says[i]];
	return STR("http");
}

/* Without ":port". Brackets stay, and so does an address without them. */
static struct str
params_host(struct str s)
{
	const char *colon, *end;

	if (s.len == 0)
		return s;
	if (s.p[0] == '[' && (end = memchr(s.p, ']', s.len)) != NULL)
		return (struct str){ s.p, (size_t)(end + 1 - s.p) };
	colon = memchr(s.p, ':', s.len);
	if (colon != NULL && colon == memrchr(s.p, ':', s.len))
		s.len = (size_t)(colon - s.p);
	return s;
}

static struct str
params_server_name(const struct params *p, const char *listener)
{
	struct str s = params_host(p->known[PARAM_SERVER_NAME]);

	if (s.len == 0)
		s = params_host(p->known[PARAM_HTTP_HOST]);
	if (s.len == 0 && listener != NULL &&
	    strncmp(listener, "unix:", 5) != 0)
		s = params_host((struct str){ listener, strlen(listener) });
	return s.len > 0 ? s : STR("localhost");
}

static bool
params_is_port(struct str s)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s.len && i < 6; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = 10 * n + (unsigned)(s.p[i] - '0');
	}
	return i == s.len && n >= 1 && n <= 65535;
}

static void
params_server(struct params *p, const struct params_conf *conf,
    const struct params_peer *peer)
{
	p->scheme = params_scheme(p, conf, peer->trusted);
	p->server_name = params_server_name(p, peer->listener);
	p->server_port = p->known[PARAM_SERVER_PORT];
	if (!params_is_port(p->server_port))
		p->server_port = p->scheme.len == 5 ? STR("443") : STR("80");
	p->server_protocol = p->known[PARAM_SERVER_PROTOCOL];
	if (p->server_protocol.len == 0)
		p->server_protocol = STR("HTTP/1.1");
}

/* Whether a list of tokens has this one. */
static bool
params_lists(struct str list, struct str token)
{
	const char *comma;
	struct str item;

	while (list.len > 0) {
		item = list;
		if ((comma = memchr(list.p, ',', list.len)) != NULL)
			item.len = (size_t)(comma - list.p);
		if (str_caseeq(str_trim(item), token))
			return true;
		item.len += comma != NULL;
		list.p += item.len;
		list.len -= item.len;
	}
	return false;
}

static bool
params_wants_websocket(const struct params *p)
{
	return params_lists(p->known[PARAM_HTTP_UPGRADE], STR("websocket")) &&
	    params_lists(p->known[PARAM_HTTP_CONNECTION], STR("upgrade"));
}

int
params_parse(struct params *p, const struct params_conf *conf,
    const struct params_peer *peer, const struct proto_ops *ops,
    struct proto_str block, struct arena *arena, const char **why)
{
	struct str method;
	int status;

	memset(p, 0, sizeof(*p));
	p->content_length = -1;
	if ((status = params_split(p, conf->count_max, ops, block, arena,
	    why)) != 0 ||
	    (status = shape_classify(p, arena, why)) != 0 ||
	    (status = params_check(p, conf, why)) != 0 ||
	    (status = params_check_fields(p, conf, why)) != 0)
		return status;
	method = p->known[PARAM_REQUEST_METHOD];
	if (method.len > METHOD_MAX || !params_is_token(method))
		return params_refuse(400, why, "no valid REQUEST_METHOD");
	if ((status = path_compute(p, conf, arena, why)) != 0)
		return status;
	p->query_string = params_query(p);
	params_server(p, conf, peer);
	p->websocket = params_wants_websocket(p);
	return 0;
}

struct str
params_get(const struct params *p, struct str name)
{
	uint16_t i;

	for (i = p->n; i-- > 1;)
		if (str_eq(p->v[i].name, name))
			return p->v[i].value;
	return (struct str){ NULL, 0 };
}

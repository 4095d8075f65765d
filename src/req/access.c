/* SPDX-License-Identifier: MIT */
/* The lines of the access log. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "req/access.h"
#include "req/req.h"

/* A line being made; what does not fit is left out, and full says so. */
struct access_line {
	char	*s;
	size_t	 len;
	bool	 full;
};

/* What atoms are made of. */
struct access_ctx {
	struct access_format	*format;
	const struct req	*req;
	int64_t			 ns;	/* duration */
	struct str		 arg;	/* {name} of this atom, or literal */
};

typedef void access_put(struct access_line *, const struct access_ctx *);

struct access_atom {
	access_put	*put;
	char		*arg;		/* owned, NULL: none */
};

struct access_format {
	struct access_atom *v;
	size_t		 n;
	uint32_t	 made;		/* wall clock, makes ids unique */
	uint32_t	 lines;
	time_t		 second;	/* that date is of */
	char		 date[40];
};

static void
access_add(struct access_line *l, const char *p, size_t n)
{
	size_t room = ACCESS_LINE - 1 - l->len;	/* 1: the line end */

	if (n > room) {
		l->full = true;
		n = room;
	}
	memcpy(l->s + l->len, p, n);
	l->len += n;
}

static void
access_add_byte(struct access_line *l, unsigned char c)
{
	char hex[5];

	if (c == '"' || c == '\\') {
		hex[0] = '\\';
		hex[1] = (char)c;
		access_add(l, hex, 2);
	} else {
		snprintf(hex, sizeof(hex), "\\x%02x", c);
		access_add(l, hex, 4);
	}
}

static bool
access_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes from outside: nothing in them ends a quoted field or a line. */
static void
access_add_value(struct access_line *l, struct str s)
{
	size_t i, from = 0;

	if (s.p == NULL || s.len == 0) {
		access_add(l, "-", 1);
		return;
	}
	for (i = 0; i < s.len && !l->full; i++) {
		if (access_is_plain((unsigned char)s.p[i]))
			continue;
		access_add(l, s.p + from, i - from);
		access_add_byte(l, (unsigned char)s.p[i]);
		from = i + 1;
	}
	if (!l->full)
		access_add(l, s.p + from, s.len - from);
}

static void access_add_format(struct access_line *, const char *, ...)
	    PRINTFLIKE(2, 3);

static void
access_add_format(struct access_line *l, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	access_add(l, text, (size_t)n);
}

static struct str
access_known(const struct access_ctx *c, enum param_id id)
{
	return c->req->params.known[id];
}

static void
access_put_literal(struct access_line *l, const struct access_ctx *c)
{
	access_add(l, c->arg.p, c->arg.len);
}

static void
access_put_host(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, access_known(c, PARAM_REMOTE_ADDR));
}

static void
access_put_dash(struct access_line *l, const struct access_ctx *c UNUSED)
{
	access_add(l, "-", 1);
}

static void
access_put_user(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, access_known(c, PARAM_REMOTE_USER));
}

/* Made once a second. */
static void
access_put_date(struct access_line *l, const struct access_ctx *c)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != c->format->second) {
		c->format->second = now;
		localtime_r(&now, &tm);
		strftime(c->format->date, sizeof(c->format->date),
		    "[%d/%b/%Y:%H:%M:%S %z]", &tm);
	}
	access_add(l, c->format->date, strlen(c->format->date));
}

static void
access_put_method(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, access_known(c, PARAM_REQUEST_METHOD));
}

static void
access_put_path(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, c->req->params.path_info);
}

static void
access_put_query(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, c->req->params.query_string);
}

static void
access_put_protocol(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, c->req->params.server_protocol);
}

static void
access_put_request(struct access_line *l, const struct access_ctx *c)
{
	struct str uri = access_known(c, PARAM_REQUEST_URI);

	access_put_method(l, c);
	access_add(l, " ", 1);
	access_add_value(l, uri.p != NULL ? uri : c->req->params.path_info);
	access_add(l, " ", 1);
	access_put_protocol(l, c);
}

/* A client that left got no status: 499, as nginx has it. */
static void
access_put_status(struct access_line *l, const struct access_ctx *c)
{
	const struct resp *r = &c->req->resp;

	access_add_format(l, "%d", r->gone ? 499 : r->status);
}

static void
access_put_bytes(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%llu", (unsigned long long)c->req->resp.wire);
}

static void
access_put_bytes_or_dash(struct access_line *l, const struct access_ctx *c)
{
	if (c->req->resp.wire == 0)
		access_add(l, "-", 1);
	else
		access_put_bytes(l, c);
}

static void
access_put_seconds(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%lld", (long long)(c->ns / 1000000000));
}

static void
access_put_millis(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%lld", (long long)(c->ns / 1000000));
}

static void
access_put_micros(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%lld", (long long)(c->ns / 1000));
}

static void
access_put_decimal(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%lld.%06lld", (long long)(c->ns / 1000000000),
	    (long long)(c->ns / 1000 % 1000000));
}

static void
access_put_pid(struct access_line *l, const struct access_ctx *c UNUSED)
{
	access_add_format(l, "<%d>", (int)getpid());
}

static void
access_put_app(struct access_line *l, const struct access_ctx *c)
{
	const char *name = c->req->conf->app_name;

	access_add_value(l, (struct str){ name, strlen(name) });
}

static void
access_put_worker(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%d", c->req->conf->worker_id);
}

static void
access_put_why(struct access_line *l, const struct access_ctx *c)
{
	const struct resp *r = &c->req->resp;
	const char *why = r->timed_out ? "timeout" : r->shed ? "shed" :
	    r->gone ? "aborted" : r->failed ? "truncated" : "ok";

	access_add(l, why, strlen(why));
}

static void
access_put_received(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%llu", (unsigned long long)c->req->body.len);
}

static void
access_put_id(struct access_line *l, const struct access_ctx *c)
{
	access_add_format(l, "%x-%x-%x", (unsigned)c->format->made,
	    (unsigned)getpid(), (unsigned)c->format->lines);
}

/* A parameter by name, whatever its case; of a repeated one the first. */
static void
access_put_param(struct access_line *l, const struct access_ctx *c)
{
	const struct params *p = &c->req->params;
	struct str value = { NULL, 0 };
	unsigned i;

	for (i = 1; i < p->n && value.p == NULL; i++)
		if (str_caseeq(p->v[i].name, c->arg))
			value = p->v[i].value;
	access_add_value(l, value);
}

static void
access_put_referer(struct access_line *l, const struct access_ctx *c)
{
	struct access_ctx named = *c;

	named.arg = STR("HTTP_REFERER");
	access_put_param(l, &named);
}

static void
access_put_agent(struct access_line *l, const struct access_ctx *c)
{
	struct access_ctx named = *c;

	named.arg = STR("HTTP_USER_AGENT");
	access_put_param(l, &named);
}

/* A line of the head that was sent, which stays in the response's buffer. */
static struct str
access_find_header(const struct resp *r, struct str name)
{
	const char *p, *nl, *end;
	struct str found;

	if (r->head_end == 0)
		return (struct str){ NULL, 0 };
	end = r->out.data + r->head_end;
	for (p = r->out.data + PROTO_FRAME_MAX; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		found = (struct str){ p, name.len };
		if ((size_t)(nl - p) > name.len + 2 && p[name.len] == ':' &&
		    str_caseeq(found, name))
			return (struct str){ p + name.len + 2,
			    (size_t)(nl - p) - name.len - 3 };
	}
	return (struct str){ NULL, 0 };
}

static void
access_put_header(struct access_line *l, const struct access_ctx *c)
{
	access_add_value(l, access_find_header(&c->req->resp, c->arg));
}

static const struct {
	const char	*name;
	access_put	*put;
} access_atoms[] = {
	{ "h", access_put_host }, { "l", access_put_dash },
	{ "u", access_put_user }, { "t", access_put_date },
	{ "r", access_put_request }, { "m", access_put_method },
	{ "U", access_put_path }, { "q", access_put_query },
	{ "H", access_put_protocol }, { "s", access_put_status },
	{ "b", access_put_bytes_or_dash }, { "B", access_put_bytes },
	{ "f", access_put_referer }, { "a", access_put_agent },
	{ "T", access_put_seconds }, { "M", access_put_millis },
	{ "D", access_put_micros }, { "L", access_put_decimal },
	{ "p", access_put_pid }, { "reqid", access_put_id },
	{ "app", access_put_app }, { "wid", access_put_worker },
	{ "why", access_put_why }, { "rx", access_put_received },
};

static void
access_format_add(struct access_format *f, access_put *put, const char *p,
    size_t n)
{
	f->v = xreallocarray(f->v, f->n + 1, sizeof(*f->v));
	f->v[f->n].put = put;
	f->v[f->n++].arg = p == NULL ? NULL : xstrndup(p, n);
}

/* X-Mine to the parameter that carries it. */
static void
access_format_add_request_header(struct access_format *f, struct str name)
{
	bool bare = str_caseeq(name, STR("Content-Type")) ||
	    str_caseeq(name, STR("Content-Length"));
	char *param, *p;

	xasprintf(&param, "%s%.*s", bare ? "" : "HTTP_", (int)name.len, name.p);
	for (p = param; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	access_format_add(f, access_put_param, param, strlen(param));
	free(param);
}

/* {name}i, {name}o, {name}e. */
static int
access_compile_named(struct access_format *f, struct str atom)
{
	struct str name = { atom.p + 1, atom.len - 3 };

	if (atom.len < 4 || atom.p[0] != '{' || atom.p[atom.len - 2] != '}')
		return -1;
	switch (atom.p[atom.len - 1]) {
	case 'i':
		access_format_add_request_header(f, name);
		return 0;
	case 'o':
		access_format_add(f, access_put_header, name.p, name.len);
		return 0;
	case 'e':
		access_format_add(f, access_put_param, name.p, name.len);
		return 0;
	default:
		return -1;
	}
}

static int
access_compile_atom(struct access_format *f, struct str atom, struct err *err)
{
	size_t i;

	for (i = 0; i < nitems(access_atoms); i++) {
		if (strlen(access_atoms[i].name) == atom.len &&
		    memcmp(access_atoms[i].name, atom.p, atom.len) == 0) {
			access_format_add(f, access_atoms[i].put, NULL, 0);
			return 0;
		}
	}
	if (access_compile_named(f, atom) == 0)
		return 0;
	return err_setc(err, 2, "access_logformat: unknown atom %%(%.*s)s",
	    (int)atom.len, atom.p);
}

/* One piece at p: %%, %(atom)s or text up to the next %. Returns its end. */
static const char *
access_compile_piece(struct access_format *f, const char *p, struct err *err)
{
	const char *end;

	if (p[0] != '%') {
		end = p + strcspn(p, "%");
		access_format_add(f, access_put_literal, p, (size_t)(end - p));
		return end;
	}
	if (p[1] == '%') {
		access_format_add(f, access_put_literal, "%", 1);
		return p + 2;
	}
	if (p[1] != '(' || (end = strstr(p, ")s")) == NULL) {
		err_setc(err, 2, "access_logformat: \"%.20s\" is neither %%%% "
		    "nor %%(atom)s", p);
		return NULL;
	}
	if (access_compile_atom(f, (struct str){ p + 2, (size_t)(end - p) - 2 },
	    err) == -1)
		return NULL;
	return end + 2;
}

struct access_format *
access_compile(const char *format, struct err *err)
{
	struct access_format *f = xcalloc(1, sizeof(*f));

	f->made = (uint32_t)time(NULL);
	while (*format != '\0') {
		format = access_compile_piece(f, format, err);
		if (format == NULL) {
			access_free(f);
			return NULL;
		}
	}
	return f;
}

void
access_free(struct access_format *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		free(f->v[i].arg);
	free(f->v);
	free(f);
}

int
access_check(const char *format, struct err *err)
{
	struct access_format *f = access_compile(format, err);

	if (f == NULL)
		return -1;
	access_free(f);
	return 0;
}

size_t
access_line(struct access_format *f, const struct req *req, int64_t end_ns,
    char out[ACCESS_LINE])
{
	struct access_ctx c = {
		.format = f, .req = req, .ns = end_ns - req->accepted_ns
	};
	struct access_line l = { .s = out };
	size_t i;

	f->lines++;
	for (i = 0; i < f->n && !l.full; i++) {
		if (f->v[i].arg != NULL)
			c.arg = (struct str){ f->v[i].arg,
			    strlen(f->v[i].arg) };
		f->v[i].put(&l, &c);
	}
	if (l.full)
		memcpy(out + l.len - 3, "...", 3);
	out[l.len++] = '\n';
	return l.len;
}

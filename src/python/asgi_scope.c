/* SPDX-License-Identifier: MIT */
/*
 * The scope of a request: a fresh dict. As for environ, what requests with the
 * same sequence of names (a shape) have in common is made once: names of
 * headers, and pairs of headers that keep their value. Tuples and bytes cannot
 * be changed, so requests share them.
 */
#include <string.h>

#include "base/bytes.h"
#include "python/asgi.h"
#include "python/py_str.h"
#include "req/params_path.h"
#include "req/req.h"

#define PAIR_MAX	256	/* longest value that is remembered */

/* A header: its name, and the last value that was seen. */
struct scope_header {
	PyObject	*name;		/* bytes; NULL: no header */
	PyObject	*pair;		/* (name, value) */
	struct str	 value;		/* in pair */
};

/* header[i] belongs to params.v[i]. */
struct scope_template {
	unsigned	 serial;
	size_t		 n;
	struct scope_header header[];
};

/* A tuple of an address and a port, kept as long as they stay the same. */
struct scope_peer {
	PyObject	*tuple;
	char		 text[128];	/* address, NUL, port */
	size_t		 len;
};

static struct {
	PyObject	*base;		/* every key, in order */
	PyObject	*versions;	/* the dict under "asgi" */
	PyObject	*https;
	PyObject	*no_bytes;
	PyObject	*method;	/* of the last request */
	PyObject	*content_type, *content_length;	/* names */
	struct scope_peer client, server;
} scope;

static PyObject *
scope_bytes(struct str s)
{
	return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.len);
}

/* dict[key] = value, which is taken and may be NULL with an exception. */
static int
scope_set(PyObject *dict, PyObject *key, PyObject *value)
{
	int res;

	if (value == NULL)
		return -1;
	res = PyDict_SetItem(dict, key, value);
	Py_DECREF(value);
	return res;
}

/* HTTP_ACCEPT_LANGUAGE to accept-language. */
static PyObject *
scope_header_name(struct str name)
{
	PyObject *bytes;
	char *p;
	size_t i;

	bytes = PyBytes_FromStringAndSize(name.p + 5, (Py_ssize_t)name.len - 5);
	if (bytes == NULL)
		return NULL;
	p = PyBytes_AS_STRING(bytes);
	for (i = 0; i < name.len - 5; i++) {
		if (p[i] == '_')
			p[i] = '-';
		else if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] |= 0x20;
	}
	return bytes;
}

static void
scope_template_free(struct scope_template *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		Py_XDECREF(t->header[i].name);
		Py_XDECREF(t->header[i].pair);
	}
	PyMem_Free(t);
}

static bool
scope_is_header(const struct param *a)
{
	return a->is.http && a->is.keep && a->name.len > 5;
}

static struct scope_template *
scope_template_new(const struct params *p)
{
	struct scope_template *t;
	size_t i;

	t = PyMem_Calloc(1, sizeof(*t) + p->n * sizeof(t->header[0]));
	if (t == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	t->serial = p->shape != NULL ? params_shape_serial(p->shape) : 0;
	t->n = p->n;
	for (i = 1; i < p->n; i++) {
		if (scope_is_header(&p->v[i]) && (t->header[i].name =
		    scope_header_name(p->v[i].name)) == NULL) {
			scope_template_free(t);
			return NULL;
		}
	}
	return t;
}

/* Of this shape; the slot may hold that of an earlier one. */
static struct scope_template *
scope_template_of(const struct params *p)
{
	void **slot = params_shape_slot(p->shape);
	struct scope_template *t = *slot;

	if (t != NULL && t->serial == params_shape_serial(p->shape))
		return t;
	*slot = NULL;
	if (t != NULL)
		scope_template_free(t);
	*slot = scope_template_new(p);
	return *slot;
}

/* (name, value); takes value. */
static PyObject *
scope_pair(PyObject *name, PyObject *value)
{
	PyObject *pair = value != NULL ? PyTuple_New(2) : NULL;

	if (pair == NULL) {
		Py_XDECREF(value);
		return NULL;
	}
	Py_INCREF(name);
	PyTuple_SET_ITEM(pair, 0, name);
	PyTuple_SET_ITEM(pair, 1, value);
	return pair;
}

static PyObject *
scope_header_pair(struct scope_header *h, struct str value)
{
	PyObject *pair;

	if (h->pair != NULL && h->value.len == value.len &&
	    bytes_same(h->value.p, value.p, value.len)) {
		Py_INCREF(h->pair);
		return h->pair;
	}
	pair = scope_pair(h->name, scope_bytes(value));
	if (pair != NULL && value.len <= PAIR_MAX) {
		Py_INCREF(pair);
		Py_XSETREF(h->pair, pair);
		h->value.p = PyBytes_AS_STRING(PyTuple_GET_ITEM(pair, 1));
		h->value.len = value.len;
	}
	return pair;
}

/* Several Cookie headers are one (RFC 9113, 8.2.3). */
static PyObject *
scope_join_cookies(const struct params *p, const struct param *a)
{
	const struct param *b;
	PyObject *bytes;
	size_t len = a->value.len;
	char *to;

	for (b = a; b->is.more != 0; len += 2 + b->value.len)
		b = &p->v[b->is.more];
	bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
	if (bytes == NULL)
		return NULL;
	to = PyBytes_AS_STRING(bytes);
	memcpy(to, a->value.p, a->value.len);
	to += a->value.len;
	for (b = a; b->is.more != 0; to += b->value.len) {
		b = &p->v[b->is.more];
		memcpy(to, "; ", 2);
		to += 2;
		memcpy(to, b->value.p, b->value.len);
	}
	return bytes;
}

/* list[*n] = item, which is taken; there is room. */
static int
scope_put(PyObject *list, Py_ssize_t *n, PyObject *item)
{
	if (item == NULL)
		return -1;
	PyList_SET_ITEM(list, (*n)++, item);
	return 0;
}

static int
scope_put_repeated(const struct params *p, PyObject *list, Py_ssize_t *n,
    struct scope_header *h, const struct param *a)
{
	if (a->is.id == PARAM_HTTP_COOKIE)
		return scope_put(list, n, scope_pair(h->name,
		    scope_join_cookies(p, a)));
	for (;; a = &p->v[a->is.more]) {
		if (scope_put(list, n, scope_pair(h->name,
		    scope_bytes(a->value))) == -1)
			return -1;
		if (a->is.more == 0)
			return 0;
	}
}

static int
scope_put_header(const struct params *p, struct scope_template *t, size_t i,
    PyObject *list, Py_ssize_t *n)
{
	struct scope_header *h = &t->header[i];

	if (unlikely(p->v[i].is.more != 0))
		return scope_put_repeated(p, list, n, h, &p->v[i]);
	return scope_put(list, n, scope_header_pair(h, p->v[i].value));
}

/* What CGI has under names of its own. */
static int
scope_put_content(const struct params *p, PyObject *list, Py_ssize_t *n)
{
	struct str type = p->known[PARAM_CONTENT_TYPE];
	char digits[24];
	int len;

	if (type.len > 0 && scope_put(list, n, scope_pair(scope.content_type,
	    scope_bytes(type))) == -1)
		return -1;
	if (p->content_length < 0)
		return 0;
	len = snprintf(digits, sizeof(digits), "%lld",
	    (long long)p->content_length);
	return scope_put(list, n, scope_pair(scope.content_length,
	    scope_bytes((struct str){ digits, (size_t)len })));
}

static int
scope_fill_headers(const struct params *p, struct scope_template *t,
    PyObject *list, Py_ssize_t *n)
{
	size_t i, host = 0;

	for (i = 1; i < p->n; i++)
		if (p->v[i].is.id == PARAM_HTTP_HOST && p->v[i].is.keep)
			host = i;
	if (host != 0 && scope_put_header(p, t, host, list, n) == -1)
		return -1;
	for (i = 1; i < p->n; i++)
		if (t->header[i].name != NULL && i != host &&
		    p->v[i].is.keep &&
		    scope_put_header(p, t, i, list, n) == -1)
			return -1;
	return scope_put_content(p, list, n);
}

/* host first, the others as they came. */
static PyObject *
scope_headers(const struct params *p)
{
	struct scope_template *t;
	PyObject *list = NULL;
	Py_ssize_t n = 0;
	int res;

	t = p->shape != NULL ? scope_template_of(p) : scope_template_new(p);
	if (t != NULL)
		list = PyList_New((Py_ssize_t)p->n + 2);
	if (list != NULL) {
		res = scope_fill_headers(p, t, list, &n);
		Py_SET_SIZE(list, n);
		if (res == -1)
			Py_CLEAR(list);
	}
	if (t != NULL && p->shape == NULL)
		scope_template_free(t);
	return list;
}

/* Upper case; most come one after the other. */
static PyObject *
scope_method(struct str s)
{
	PyObject *method = scope.method;
	char upper[64];
	size_t i;

	for (i = 0; i < s.len; i++)
		upper[i] = s.p[i] >= 'a' && s.p[i] <= 'z' ?
		    (char)(s.p[i] & ~0x20) : s.p[i];
	if (method == NULL || (size_t)PyUnicode_GET_LENGTH(method) != s.len ||
	    memcmp(PyUnicode_1BYTE_DATA(method), upper, s.len) != 0) {
		method = py_latin1((struct str){ upper, s.len });
		if (method == NULL)
			return NULL;
		Py_XSETREF(scope.method, method);
	}
	Py_INCREF(method);
	return method;
}

static PyObject *
scope_utf8(struct str s)
{
	return PyUnicode_DecodeUTF8(s.p, (Py_ssize_t)s.len, "replace");
}

/* Contains root_path. */
static PyObject *
scope_path(const struct params *p)
{
	struct str a = p->script_name, b = p->path_info;
	PyObject *path;
	char *joined;

	if (a.len == 0)
		return scope_utf8(b);
	if ((joined = PyMem_Malloc(a.len + b.len)) == NULL)
		return PyErr_NoMemory();
	memcpy(joined, a.p, a.len);
	memcpy(joined + a.len, b.p, b.len);
	path = scope_utf8((struct str){ joined, a.len + b.len });
	PyMem_Free(joined);
	return path;
}

/* What may stand in a path as it is (RFC 3986). */
static bool
scope_is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

static char *
scope_quote(char *to, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (scope_is_plain(s.p[i])) {
			*to++ = s.p[i];
			continue;
		}
		*to++ = '%';
		*to++ = hex[(uint8_t)s.p[i] >> 4];
		*to++ = hex[s.p[i] & 0x0F];
	}
	return to;
}

/* As the client sent it; encoded again where the proxy does not say. */
static PyObject *
scope_raw_path(const struct params *p)
{
	struct str uri = p->known[PARAM_REQUEST_URI];
	PyObject *bytes;
	char *quoted, *end;
	size_t i;

	if (uri.len > 0) {
		uri = path_of_uri(uri);
		for (i = 0; i < uri.len && uri.p[i] != '?' &&
		    uri.p[i] != '#'; i++)
			;
		return scope_bytes((struct str){ uri.p, i });
	}
	quoted = PyMem_Malloc(3 * (p->script_name.len + p->path_info.len) + 1);
	if (quoted == NULL)
		return PyErr_NoMemory();
	end = scope_quote(scope_quote(quoted, p->script_name), p->path_info);
	bytes = scope_bytes((struct str){ quoted, (size_t)(end - quoted) });
	PyMem_Free(quoted);
	return bytes;
}

static long
scope_port(struct str s)
{
	long port = 0;
	size_t i;

	for (i = 0; i < s.len && i < 5 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		port = port * 10 + (s.p[i] - '0');
	return i == s.len ? port : 0;
}

/* (address, port), the last one if it is the same. */
static PyObject *
scope_peer(struct scope_peer *last, struct str addr, struct str port)
{
	char text[sizeof(last->text)];
	size_t len = addr.len + 1 + port.len;
	bool small = len <= sizeof(text);
	PyObject *tuple;

	if (small) {
		memcpy(text, addr.p, addr.len);
		text[addr.len] = '\0';
		if (port.len > 0)
			memcpy(text + addr.len + 1, port.p, port.len);
		if (last->len == len && memcmp(last->text, text, len) == 0) {
			Py_INCREF(last->tuple);
			return last->tuple;
		}
	}
	tuple = Py_BuildValue("(Nl)", py_latin1(addr), scope_port(port));
	if (tuple != NULL && small) {
		memcpy(last->text, text, len);
		last->len = len;
		Py_INCREF(tuple);
		Py_XSETREF(last->tuple, tuple);
	}
	return tuple;
}

/* Behind a UNIX listener nginx says "unix:". */
static PyObject *
scope_client(const struct params *p)
{
	struct str addr = p->known[PARAM_REMOTE_ADDR];

	if (addr.len == 0 || str_starts(addr, STR("unix:")))
		Py_RETURN_NONE;
	return scope_peer(&scope.client, addr, p->known[PARAM_REMOTE_PORT]);
}

/* HTTP/1.0 is "1.0", HTTP/2.0 is "2"; what is unknown is "1.1". */
static const char *
scope_http_version(struct str protocol)
{
	static const struct {
		const char	*protocol, *version;
	} all[] = {
		{ "HTTP/1.0", "1.0" }, { "HTTP/2", "2" }, { "HTTP/2.0", "2" },
		{ "HTTP/3", "3" }, { "HTTP/3.0", "3" },
	};
	size_t i;

	for (i = 0; i < nitems(all); i++)
		if (protocol.len == strlen(all[i].protocol) &&
		    memcmp(protocol.p, all[i].protocol, protocol.len) == 0)
			return all[i].version;
	return NULL;
}

/* CGI's own, which a scope has elsewhere, or which decide nothing. */
static bool
scope_is_common(const struct param *a)
{
	static const struct str names[] = {
		{ "DOCUMENT_ROOT", 13 }, { "DOCUMENT_URI", 12 },
		{ "GATEWAY_INTERFACE", 17 }, { "PATH_TRANSLATED", 15 },
		{ "REDIRECT_STATUS", 15 }, { "SCRIPT_FILENAME", 15 },
		{ "SERVER_ADDR", 11 }, { "FCGI_ROLE", 9 },
	};
	size_t i;

	if (a->is.id != PARAM_OTHER && a->is.id != PARAM_REMOTE_USER &&
	    a->is.id != PARAM_AUTH_TYPE)
		return true;
	if (a->is.http || !a->is.keep || a->value.len == 0)
		return true;
	for (i = 0; i < nitems(names); i++)
		if (str_eq(a->name, names[i]))
			return true;
	return false;
}

/* REMOTE_USER, SSL_* and what administrators add: names and values as str. */
static int
scope_add_extras(PyObject *extensions, const struct params *p)
{
	PyObject *extras = NULL, *key;
	size_t i;
	int res = 0;

	for (i = 1; i < p->n && res == 0; i++) {
		if (scope_is_common(&p->v[i]))
			continue;
		if (extras == NULL && ((extras = PyDict_New()) == NULL ||
		    PyDict_SetItem(extensions, py_str.saola_params, extras)))
			res = -1;
		else if ((key = py_latin1(p->v[i].name)) == NULL)
			res = -1;
		else {
			res = scope_set(extras, key, py_latin1(p->v[i].value));
			Py_DECREF(key);
		}
	}
	Py_XDECREF(extras);
	return res;
}

static int
scope_set_extensions(PyObject *dict, const struct params *p)
{
	PyObject *extensions = PyDict_New();

	if (extensions == NULL || scope_add_extras(extensions, p) == -1) {
		Py_XDECREF(extensions);
		return -1;
	}
	return scope_set(dict, py_str.extensions, extensions);
}

/* What has a usual value is set only where it differs. */
static int
scope_set_usual(PyObject *dict, const struct params *p)
{
	const char *version = scope_http_version(p->server_protocol);

	if (version != NULL && scope_set(dict, py_str.http_version,
	    PyUnicode_FromString(version)) == -1)
		return -1;
	if (p->scheme.len == 5 &&
	    PyDict_SetItem(dict, py_str.scheme, scope.https) == -1)
		return -1;
	if (p->script_name.len > 0 && scope_set(dict, py_str.root_path,
	    scope_utf8(p->script_name)) == -1)
		return -1;
	if (p->query_string.len > 0 && scope_set(dict, py_str.query,
	    scope_bytes(p->query_string)) == -1)
		return -1;
	if (asgi.state == NULL)
		return 0;
	return scope_set(dict, py_str.state, PyDict_Copy(asgi.state));
}

/* Sec-WebSocket-Protocol, split at its commas. */
static PyObject *
scope_subprotocols(const struct params *p)
{
	struct str all = params_get(p, STR("HTTP_SEC_WEBSOCKET_PROTOCOL"));
	PyObject *list = PyList_New(0), *name;
	const char *comma;
	struct str item;
	int res = 0;

	while (list != NULL && all.len > 0 && res == 0) {
		item = all;
		if ((comma = memchr(all.p, ',', all.len)) != NULL)
			item.len = (size_t)(comma - all.p);
		name = py_latin1(str_trim(item));
		res = name == NULL ? -1 : PyList_Append(list, name);
		Py_XDECREF(name);
		item.len += comma != NULL;
		all.p += item.len;
		all.len -= item.len;
	}
	if (res == -1)
		Py_CLEAR(list);
	return list;
}

/* What is different in the scope of a WebSocket. */
static int
scope_set_websocket(PyObject *dict, const struct params *p)
{
	PyObject *extensions;

	if (scope_set(dict, py_str.type, PyUnicode_FromString("websocket")) ||
	    scope_set(dict, py_str.scheme, PyUnicode_FromString(
	    p->scheme.len == 5 ? "wss" : "ws")) == -1 ||
	    scope_set(dict, py_str.subprotocols,
	    scope_subprotocols(p)) == -1 ||
	    PyDict_DelItem(dict, py_str.method) == -1)
		return -1;
	extensions = PyDict_GetItemWithError(dict, py_str.extensions);
	if (extensions == NULL)
		return -1;
	return scope_set(extensions, py_str.ws_response, PyDict_New());
}

PyObject *
asgi_scope_new(const struct req *req)
{
	const struct params *p = &req->params;
	PyObject *dict = PyDict_Copy(scope.base);

	if (dict == NULL)
		return NULL;
	if (scope_set(dict, py_str.asgi, PyDict_Copy(scope.versions)) == -1 ||
	    scope_set(dict, py_str.method, scope_method(
	    p->known[PARAM_REQUEST_METHOD])) == -1 ||
	    scope_set(dict, py_str.path, scope_path(p)) == -1 ||
	    scope_set(dict, py_str.raw_path, scope_raw_path(p)) == -1 ||
	    scope_set(dict, py_str.headers, scope_headers(p)) == -1 ||
	    scope_set(dict, py_str.client, scope_client(p)) == -1 ||
	    scope_set(dict, py_str.server, scope_peer(&scope.server,
	    p->server_name, p->server_port)) == -1 ||
	    scope_set_usual(dict, p) == -1 ||
	    scope_set_extensions(dict, p) == -1 ||
	    (p->websocket && scope_set_websocket(dict, p) == -1))
		Py_CLEAR(dict);
	return dict;
}

int
asgi_scope_init(void)
{
	scope.no_bytes = PyBytes_FromStringAndSize(NULL, 0);
	scope.https = PyUnicode_InternFromString("https");
	scope.content_type = PyBytes_FromString("content-type");
	scope.content_length = PyBytes_FromString("content-length");
	scope.versions = Py_BuildValue("{ss,ss}", "version", "3.0",
	    "spec_version", "2.3");
	if (scope.no_bytes == NULL || scope.https == NULL ||
	    scope.content_type == NULL || scope.content_length == NULL ||
	    scope.versions == NULL)
		return -1;
	scope.base = Py_BuildValue(
	    "{Os,OO,Os,OO,Os,OO,OO,OO,OO,OO,OO,OO,OO}",
	    py_str.type, "http", py_str.asgi, Py_None,
	    py_str.http_version, "1.1", py_str.method, Py_None,
	    py_str.scheme, "http", py_str.path, Py_None,
	    py_str.raw_path, Py_None, py_str.query, scope.no_bytes,
	    py_str.root_path, py_str.empty, py_str.headers, Py_None,
	    py_str.client, Py_None, py_str.server, Py_None,
	    py_str.extensions, Py_None);
	return scope.base == NULL ? -1 : 0;
}

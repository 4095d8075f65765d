/* SPDX-License-Identifier: MIT */
/*
 * receive() and send() of an HTTP request. What goes wrong raises in the
 * application, at the await; what the peer does never does.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "python/asgi.h"
#include "python/gateway.h"
#include "python/py_err.h"
#include "python/py_str.h"
#include "req/req.h"

#define HTTP_SMALL	32768		/* a body that is copied to its head */
#define HTTP_BURST	(1 << 20)	/* bytes after which the loop turns */
#define HTTP_EVENT	512		/* bytes that an event counts as */

static struct {
	PyObject	*disconnect;	/* copied for each */
	PyObject	*phrases[600];	/* of statuses; bytes or NULL */
	struct asgi_list held;
} http;

/* Up to 64 KiB of what has arrived; an empty one where that is the end. */
static PyObject *
http_read_body(struct req *req)
{
	uint64_t left = body_left(&req->body);
	size_t n = left < ASGI_CHUNK ? (size_t)left : ASGI_CHUNK;
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
	ssize_t got;

	if (bytes == NULL || n == 0)
		return bytes;
	got = body_read(&req->body, PyBytes_AS_STRING(bytes), n);
	if (got < 0) {
		PyErr_SetFromErrno(PyExc_OSError);
		Py_CLEAR(bytes);
	} else if ((size_t)got < n)
		_PyBytes_Resize(&bytes, got);
	return bytes;
}

static PyObject *
http_event(PyObject *body, bool more)
{
	PyObject *event;

	if (body == NULL)
		return NULL;
	event = PyDict_New();
	if (event != NULL &&
	    (PyDict_SetItem(event, py_str.type, py_str.http_request) == -1 ||
	    PyDict_SetItem(event, py_str.body, body) == -1 ||
	    PyDict_SetItem(event, py_str.more_body,
	    more ? Py_True : Py_False) == -1))
		Py_CLEAR(event);
	Py_DECREF(body);
	return event;
}

static PyObject *
http_take_body(struct asgi *a)
{
	struct req *req = a->req;
	PyObject *body = http_read_body(req);

	if (body == NULL)
		return NULL;
	a->asked = true;
	a->body_over = req->body.whole && body_left(&req->body) == 0;
	if (!a->body_over)
		req->io->more(req);
	return http_event(body, !a->body_over);
}

/* Whether there is a part of the body to tell, be it its end. */
static bool
http_has_body(const struct asgi *a)
{
	return a->req != NULL && !a->body_over && !a->ended &&
	    (body_left(&a->req->body) > 0 || a->req->body.whole);
}

static enum asgi_step
http_receive_step(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;

	if (asgi_await_is_behind(aw))
		return STEP_WAIT;
	if (http_has_body(a))
		*result = http_take_body(a);
	else if (a->req == NULL || a->left || a->ended)
		*result = PyDict_Copy(http.disconnect);
	else
		return STEP_WAIT;
	return *result == NULL ? STEP_FAILED : STEP_DONE;
}

static enum asgi_step
http_invalid(const char *why, PyObject *what)
{
	PyErr_Format(PyExc_ValueError, "%s: %R", why, what);
	return STEP_FAILED;
}

static PyObject *
http_phrase(long status)
{
	return status < (long)nitems(http.phrases) ? http.phrases[status] :
	    NULL;
}

/* "200 OK" from 200. */
static enum asgi_step
http_start_status(struct asgi *a, PyObject *status)
{
	long code = PyLong_AsLong(status);
	PyObject *phrase;
	const char *why;
	char text[128];
	int n;

	if (code == -1 && PyErr_Occurred() != NULL)
		return STEP_FAILED;
	if (code < 200 || code > 999)
		return http_invalid("status is not in 200..999", status);
	phrase = http_phrase(code);
	n = snprintf(text, sizeof(text), "%ld %s", code,
	    phrase != NULL ? PyBytes_AS_STRING(phrase) : "");
	if (resp_start(a->req, (struct str){ text, (size_t)n }, &why) == -1)
		return http_invalid(why, status);
	return STEP_DONE;
}

static int
http_bytes(PyObject *o, const char *what, struct str *out)
{
	if (!PyBytes_Check(o)) {
		PyErr_Format(PyExc_TypeError, "%s must be bytes, not %.100s",
		    what, Py_TYPE(o)->tp_name);
		return -1;
	}
	out->p = PyBytes_AS_STRING(o);
	out->len = (size_t)PyBytes_GET_SIZE(o);
	return 0;
}

/* What belongs to the hop is dropped, as the specification says. */
static enum asgi_step
http_start_header(struct asgi *a, PyObject *item)
{
	PyObject *pair = PySequence_Fast(item, "a header must be a pair");
	struct str name, value;
	const char *why;
	enum asgi_step step = STEP_DONE;

	if (pair == NULL)
		return STEP_FAILED;
	if (PySequence_Fast_GET_SIZE(pair) != 2)
		step = http_invalid("a header must be a pair", item);
	else if (http_bytes(PySequence_Fast_GET_ITEM(pair, 0),
	    "a header's name", &name) == -1 || http_bytes(
	    PySequence_Fast_GET_ITEM(pair, 1), "a header's value",
	    &value) == -1)
		step = STEP_FAILED;
	else if (resp_header(a->req, name, value, &why) == -1)
		step = http_invalid(why, item);
	Py_DECREF(pair);
	return step;
}

enum asgi_step
asgi_http_headers(struct asgi *a, PyObject *headers)
{
	enum asgi_step step = STEP_DONE;
	PyObject *fast;
	Py_ssize_t i;

	fast = PySequence_Fast(headers, "headers must be iterable");
	if (fast == NULL)
		return STEP_FAILED;
	for (i = 0; i < PySequence_Fast_GET_SIZE(fast) &&
	    step == STEP_DONE; i++)
		step = http_start_header(a, PySequence_Fast_GET_ITEM(fast, i));
	Py_DECREF(fast);
	return step;
}

/* Its head is held until a body event, or the end of this turn. */
enum asgi_step
asgi_http_start(struct asgi *a, PyObject *message)
{
	PyObject *status = asgi_field(message, py_str.status);
	PyObject *headers = asgi_field(message, py_str.headers);
	enum asgi_step step;

	if (a->started)
		return asgi_misuse("http.response.start was sent before");
	if (status == NULL) {
		if (PyErr_Occurred() == NULL)
			PyErr_SetObject(PyExc_KeyError, py_str.status);
		return STEP_FAILED;
	}
	if ((step = http_start_status(a, status)) != STEP_DONE ||
	    (headers != NULL &&
	    (step = asgi_http_headers(a, headers)) != STEP_DONE))
		return step;
	a->started = a->held = true;
	TAILQ_INSERT_TAIL(&http.held, a, entry);
	return STEP_DONE;
}

void
asgi_http_unhold(struct asgi *a)
{
	if (a->held)
		TAILQ_REMOVE(&http.held, a, entry);
	a->held = false;
}

/* Bytes, also of anything with a buffer. New reference, b"" if missing. */
static PyObject *
http_body_bytes(PyObject *message)
{
	PyObject *body = asgi_field(message, py_str.body);

	if (body == NULL && PyErr_Occurred() == NULL)
		return PyBytes_FromStringAndSize(NULL, 0);
	if (body == NULL || PyBytes_CheckExact(body)) {
		Py_XINCREF(body);
		return body;
	}
	if (!PyObject_CheckBuffer(body)) {
		PyErr_Format(PyExc_TypeError, "body must be bytes, not %.100s",
		    Py_TYPE(body)->tp_name);
		return NULL;
	}
	return PyBytes_FromObject(body);
}

/* A response that one event brings whole has a known length. */
static int
http_body_whole(struct req *req, struct str body)
{
	if (resp_length(req, body.len) == -1) {
		PyErr_NoMemory();
		return -1;
	}
	return body.len <= HTTP_SMALL &&
	    resp_buffer(req, body.p, body.len) == 0;
}

/*
 * What there is to do for a body event before its bytes: the head waits no
 * longer. 1: that was all.
 */
static int
http_body_begin(struct asgi *a, struct str body, bool more)
{
	struct req *req = a->req;
	int res = 0;

	asgi_http_unhold(a);
	if (more)
		return body.len == 0 ? resp_flush(req) != IO_AGAIN : 0;
	a->ended = true;
	if (!req->resp.head_out)
		res = http_body_whole(req, body);
	if (res == -1 || (res == 0 && body.len > 0))
		return res;
	resp_end(req);
	asgi_req_finish(a);
	return 1;
}

/* The event's bytes take the place of the event. 1: it is done. */
static int
http_body_take(struct asgi_await *aw)
{
	struct asgi *a = (struct asgi *)aw->owner;
	PyObject *more = asgi_field(aw->message, py_str.more_body), *body;

	if (!a->started) {
		asgi_misuse("http.response.body was sent before "
		    "http.response.start");
		return -1;
	}
	aw->more = more != NULL && PyObject_IsTrue(more) == 1;
	if (PyErr_Occurred() != NULL ||
	    (body = http_body_bytes(aw->message)) == NULL)
		return -1;
	Py_SETREF(aw->message, body);
	aw->begun = true;
	return http_body_begin(a, (struct str){ PyBytes_AS_STRING(body),
	    (size_t)PyBytes_GET_SIZE(body) }, aw->more);
}

/* A piece to the carrier; the last one of a response ends it. */
static void
http_put(struct asgi_await *aw, struct str body)
{
	struct asgi *a = (struct asgi *)aw->owner;
	const char *p = body.p + aw->at;
	size_t n = body.len - aw->at;
	enum io_result res;

	if (n > ASGI_CHUNK)
		n = ASGI_CHUNK;
	aw->at += n;
	a->burst += n;
	if (aw->at == body.len && !aw->more) {
		resp_last(a->req, p, n);
		asgi_req_finish(a);
		return;
	}
	res = resp_write(a->req, p, n);
	if (res == IO_GONE)	/* the carrier will tell */
		aw->at = body.len;
}

/*
 * By pieces, so that what a slow reader leaves with us is bounded. A stream
 * that never has to wait lets the loop turn now and then.
 */
static enum asgi_step
http_body_go(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;
	struct str body = { PyBytes_AS_STRING(aw->message),
	    (size_t)PyBytes_GET_SIZE(aw->message) };

	while (a->req != NULL && aw->at < body.len) {
		if (asgi_req_is_full(a))
			return STEP_WAIT;
		http_put(aw, body);
	}
	if (aw->more && asgi_req_is_full(a))
		return STEP_WAIT;
	if (a->burst >= HTTP_BURST) {
		a->burst = 0;
		return STEP_YIELD;
	}
	return asgi_done(result);
}

/* A body event, from the first step to the last. */
enum asgi_step
asgi_http_body(struct asgi_await *aw, PyObject **result)
{
	int res;

	if (!aw->begun) {
		if ((res = http_body_take(aw)) == -1)
			return STEP_FAILED;
		if (res == 1)
			return asgi_done(result);
	}
	return http_body_go(aw, result);
}

/* An event that is seen for the first time. */
static enum asgi_step
http_send_first(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;
	PyObject *type;
	enum asgi_step step;

	if (!PyDict_Check(aw->message)) {
		PyErr_Format(PyExc_TypeError, "an event is a dict, not %.100s",
		    Py_TYPE(aw->message)->tp_name);
		return STEP_FAILED;
	}
	if (a->req == NULL)
		return asgi_done(result);
	a->burst += HTTP_EVENT;
	type = asgi_field(aw->message, py_str.type);
	if (asgi_is_type(type, py_str.http_body))
		return asgi_http_body(aw, result);
	if (!asgi_is_type(type, py_str.http_start))
		return asgi_unknown(type);
	step = asgi_http_start(a, aw->message);
	return step == STEP_DONE ? asgi_done(result) : step;
}

static enum asgi_step
http_send_step(struct asgi_await *aw, PyObject **result)
{
	if (asgi_await_is_behind(aw))
		return STEP_WAIT;
	return aw->begun ? http_body_go(aw, result) :
	    http_send_first(aw, result);
}

/* Why a response is not complete, where its application did not raise. */
static void
http_log_short(const struct asgi *a)
{
	char line[256];

	log_errorx("%s%s: the application returned %s", py_prefix(),
	    req_line(a->req, line, sizeof(line)), a->started ?
	    "before the end of its response" : "without a response");
}

/* The request is still ours, so its response is not complete. */
static void
http_over(struct asgi *a, bool raised)
{
	if (!raised && !a->req->resp.gone)
		http_log_short(a);
	asgi_http_unhold(a);
	resp_abort(a->req);
	asgi_req_finish(a);
}

/* The peer is lost: the application hears of it, and has time to tidy up. */
static void
http_news(struct asgi *a, unsigned news)
{
	if (news & NEWS_GONE) {
		asgi_req_start_grace(a);
		asgi_req_release(a);
	} else if (news & (NEWS_BODY | NEWS_EOF | NEWS_LEAVE))
		asgi_wake(&a->receivers);
}

const struct asgi_kind asgi_http = {
	.receive = http_receive_step,
	.send = http_send_step,
	.over = http_over,
	.news = http_news
};

void
asgi_http_flush_held(void)
{
	enum io_result res;
	struct asgi *a;

	while ((a = TAILQ_FIRST(&http.held)) != NULL) {
		asgi_http_unhold(a);
		res = resp_flush(a->req);
		(void)res;	/* the carrier will tell */
	}
}

/* phrases[status] = phrase, of http.HTTPStatus. */
static int
http_add_phrase(PyObject *status)
{
	PyObject *phrase = PyObject_GetAttrString(status, "phrase");
	long code = PyLong_AsLong(status);
	int res = -1;

	if (phrase != NULL && code >= 0 && code < (long)nitems(http.phrases)) {
		http.phrases[code] = PyUnicode_AsLatin1String(phrase);
		res = http.phrases[code] == NULL ? -1 : 0;
	}
	Py_XDECREF(phrase);
	return res;
}

static int
http_init_phrases(void)
{
	PyObject *mod = PyImport_ImportModule("http"), *all = NULL;
	PyObject *it = NULL, *status;

	if (mod != NULL)
		all = PyObject_GetAttrString(mod, "HTTPStatus");
	if (all != NULL)
		it = PyObject_GetIter(all);
	while (it != NULL && (status = PyIter_Next(it)) != NULL) {
		if (http_add_phrase(status) == -1)
			Py_CLEAR(it);
		Py_DECREF(status);
	}
	Py_XDECREF(mod);
	Py_XDECREF(all);
	Py_XDECREF(it);
	return PyErr_Occurred() != NULL ? -1 : 0;
}

int
asgi_http_init(void)
{
	TAILQ_INIT(&http.held);
	http.disconnect = Py_BuildValue("{OO}", py_str.type,
	    py_str.http_disconnect);
	if (http.disconnect == NULL)
		return -1;
	return http_init_phrases();
}

/* SPDX-License-Identifier: MIT */
/*
 * WebSocket (RFC 6455) of an ASGI application, over the uwsgi protocol: behind
 * nginx its socket becomes a tunnel with the 101. Frames are decoded as they
 * arrive, until some messages wait for the application: then the peer has to.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "event/pollcore.h"
#include "proto/ws.h"
#include "python/asgi.h"
#include "python/gateway.h"
#include "python/py_err.h"
#include "python/py_str.h"
#include "req/req.h"

#define WS_WAITING	16		/* messages that wait */
#define WS_PING_NS	(20 * INT64_C(1000000000)) /* nginx cuts at 60 s */
#define WS_SILENCE	5.0		/* seconds for the peer's close frame */
#define WS_REASON	(WS_CONTROL_MAX - 2)
#define WS_GUID		"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum ws_state {
	WS_CONNECTING,		/* neither accepted nor refused */
	WS_REFUSING,		/* an HTTP response is on its way */
	WS_OPEN,
	WS_CLOSING,		/* we have said so, the peer has not */
	WS_CLOSED
};

struct asgi_ws {
	enum ws_state	 state;
	struct ws_dec	 dec;
	struct buf	 message;	/* its pieces */
	PyObject	*events;	/* list: messages that wait */
	struct pollev	*pinger;
	struct req	*req;		/* of the pinger */
	uint16_t	 code;		/* for websocket.disconnect */
	uint8_t		 nreason;
	char		 reason[WS_REASON];
};

static struct {
	PyObject	*sha1, *base64;	/* hashlib.sha1, binascii.b2a_base64 */
	PyObject	*not_for_security; /* {"usedforsecurity": False} */
} wsh;

void
asgi_ws_free(struct asgi_ws *ws)
{
	pollev_free(ws->pinger);
	Py_XDECREF(ws->events);
	buf_fini(&ws->message);
	free(ws);
}

/* Bytes to the tunnel: of a frame, or what stands before them. */
static void
ws_write(struct req *req, const void *head, size_t nhead, const void *p,
    size_t n)
{
	struct iovec v[2] = { { .iov_len = nhead }, { .iov_len = n } };

	/* writev does not write to them. */
	memcpy(&v[0].iov_base, &head, sizeof(head));
	memcpy(&v[1].iov_base, &p, sizeof(p));
	if (req->io->writev(req, v, n > 0 ? 2 : 1) == IO_GONE)
		req->resp.gone = true;
}

static void
ws_write_frame(struct req *req, enum ws_opcode opcode, struct proto_str data)
{
	uint8_t head[WS_HEAD_MAX];

	ws_write(req, head, ws_frame(head, opcode, true, data.len), data.p,
	    data.len);
}

static void
ws_write_close(struct req *req, uint16_t code, struct proto_str reason)
{
	uint8_t frame[WS_CLOSE_MAX];

	ws_write(req, frame, ws_close(frame, code, reason), NULL, 0);
}

/* In the core's wait, without the GIL. */
static void
ws_on_ping(void *arg, unsigned what UNUSED)
{
	struct asgi_ws *ws = arg;

	ws_write_frame(ws->req, WS_OP_PING, (struct proto_str){ NULL, 0 });
	if (pollev_start(ws->pinger, WS_PING_NS) == -1)
		log_errorx("no memory for a timer");
}

/* What the application is told when there is nothing else. */
static void
ws_set_end(struct asgi_ws *ws, uint16_t code, struct proto_str reason)
{
	if (ws->code != 0)
		return;
	ws->code = code;
	ws->nreason = (uint8_t)(reason.len < WS_REASON ? reason.len :
	    WS_REASON);
	if (ws->nreason > 0)
		memcpy(ws->reason, reason.p, ws->nreason);
}

/* Over: the carrier closes once what is queued has left. */
static void
ws_end(struct asgi *a)
{
	struct asgi_ws *ws = a->ws;

	ws->state = WS_CLOSED;
	pollev_free(ws->pinger);
	ws->pinger = NULL;
	a->ended = true;
	a->req->resp.ended = true;
	asgi_req_finish(a);
}

static PyObject *
ws_on_silence(PyObject *self, PyObject *none UNUSED)
{
	struct asgi *a = (struct asgi *)self;

	if (a->req != NULL)
		ws_end(a);
	Py_RETURN_NONE;
}

static PyMethodDef ws_silence_method = {
	"silence", ws_on_silence, METH_NOARGS, NULL
};

static void
ws_start_silence(struct asgi *a)
{
	PyObject *callback, *timer = NULL;

	callback = PyCFunction_New(&ws_silence_method, (PyObject *)a);
	if (callback != NULL)
		timer = PyObject_CallMethod(asgi.loop, "call_later", "dO",
		    WS_SILENCE, callback);
	if (timer == NULL)
		py_err_log(NULL, "call_later()");
	Py_XDECREF(timer);
	Py_XDECREF(callback);
}

/* We close: the peer's own close frame ends it, or its silence. */
static void
ws_say_close(struct asgi *a, uint16_t code, struct proto_str reason)
{
	ws_start_silence(a);
	ws_write_close(a->req, code, reason);
	ws_set_end(a->ws, code, reason);
	a->ws->state = WS_CLOSING;
	a->ended = true;
}

static PyObject *
ws_event(struct proto_str data, bool text)
{
	PyObject *event = PyDict_New(), *value;
	int res = -1;

	value = text ? PyUnicode_DecodeUTF8(data.p, (Py_ssize_t)data.len,
	    NULL) : PyBytes_FromStringAndSize(data.p, (Py_ssize_t)data.len);
	if (event != NULL && value != NULL && PyDict_SetItem(event,
	    py_str.type, py_str.ws_receive) == 0)
		res = PyDict_SetItem(event, text ? py_str.text : py_str.bytes,
		    value);
	Py_XDECREF(value);
	if (res == -1)
		Py_CLEAR(event);
	return event;
}

/* Keep a whole message for receive(). -1: no memory. */
static int
ws_queue(struct asgi_ws *ws, struct proto_str data, bool text)
{
	PyObject *event = ws_event(data, text);
	int res = -1;

	if (event != NULL)
		res = PyList_Append(ws->events, event);
	Py_XDECREF(event);
	if (res == -1)
		PyErr_Clear();
	return res;
}

/* The next piece; the last one makes it a message. */
static int
ws_take_data(struct asgi_ws *ws, const struct ws_event *ev)
{
	int res;

	if (ev->last && buf_len(&ws->message) == 0)
		return ws_queue(ws, ev->data, ev->text);
	if (buf_add(&ws->message, ev->data.p, ev->data.len) == -1)
		return -1;
	if (!ev->last)
		return 0;
	res = ws_queue(ws, (struct proto_str){ buf_head(&ws->message),
	    buf_len(&ws->message) }, ev->text);
	buf_fini(&ws->message);
	return res;
}

static void
ws_on_error(struct asgi *a, const struct ws_event *ev)
{
	static struct log_rate rate;
	char line[256];

	log_rated(&rate, LOG_WARN_, "%s: WebSocket closed with %u: %s",
	    req_line(a->req, line, sizeof(line)), ev->code, ev->why);
	if (a->ws->state == WS_OPEN)
		ws_write_close(a->req, ev->code, (struct proto_str){
		    ev->why, strlen(ev->why) });
	ws_set_end(a->ws, ev->code, (struct proto_str){ NULL, 0 });
	ws_end(a);
}

/* It is answered with the same code, unless it is an answer. */
static void
ws_on_close(struct asgi *a, const struct ws_event *ev)
{
	if (a->ws->state == WS_OPEN)
		ws_write_close(a->req, ev->code, (struct proto_str){ NULL, 0 });
	ws_set_end(a->ws, ev->code, ev->data);
	ws_end(a);
}

static void
ws_on_data(struct asgi *a, const struct ws_event *ev)
{
	if (a->ws->state != WS_OPEN || ws_take_data(a->ws, ev) == 0)
		return;
	log_errorx("no memory for a WebSocket message");
	ws_say_close(a, WS_FAILED, (struct proto_str){ NULL, 0 });
}

static void
ws_on_event(struct asgi *a, enum ws_ev what, const struct ws_event *ev)
{
	switch (what) {
	case WS_DATA:
		ws_on_data(a, ev);
		break;
	case WS_PING:
		ws_write_frame(a->req, WS_OP_PONG, ev->data);
		break;
	case WS_CLOSE:
		ws_on_close(a, ev);
		break;
	case WS_ERROR:
		ws_on_error(a, ev);
		break;
	case WS_PONG:
	case WS_NEED:
		break;
	}
}

static bool
ws_reads(const struct asgi *a)
{
	return a->req != NULL && (a->ws->state == WS_OPEN ||
	    a->ws->state == WS_CLOSING) &&
	    PyList_GET_SIZE(a->ws->events) < WS_WAITING;
}

/* Decode what has arrived, as far as somebody takes it. */
static void
ws_pump(struct asgi *a)
{
	enum ws_ev what = WS_DATA;
	struct ws_event ev;
	struct ws_input in;
	struct buf *input;

	if (!ws_reads(a))
		return;
	input = a->req->io->input(a->req);
	in = (struct ws_input){ buf_head(input), buf_len(input) };
	while (in.len > 0 && what != WS_NEED && ws_reads(a)) {
		what = ws_decode(&a->ws->dec, &in, &ev);
		ws_on_event(a, what, &ev);
	}
	if (a->req != NULL) {
		buf_drain(input, buf_len(input) - in.len);
		a->req->io->more(a->req);
	}
	asgi_wake(&a->receivers);
}

/* The oldest message; the peer may send another one. */
static PyObject *
ws_pop(struct asgi *a)
{
	PyObject *events = a->ws->events, *event;

	event = PyList_GET_ITEM(events, 0);
	Py_INCREF(event);
	if (PyList_SetSlice(events, 0, 1, NULL) == -1)
		Py_CLEAR(event);
	ws_pump(a);
	return event;
}

static PyObject *
ws_disconnect(const struct asgi_ws *ws)
{
	PyObject *reason = PyUnicode_DecodeUTF8(ws->reason, ws->nreason,
	    "replace");

	if (reason == NULL)
		return NULL;
	return Py_BuildValue("{Os,sI,sN}", py_str.type, "websocket.disconnect",
	    "code", ws->code != 0 ? ws->code : WS_LOST, "reason", reason);
}

static enum asgi_step
ws_receive_step(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;

	if (asgi_await_is_behind(aw))
		return STEP_WAIT;
	if (!a->asked) {
		a->asked = true;
		*result = Py_BuildValue("{Os}", py_str.type,
		    "websocket.connect");
	} else if (PyList_GET_SIZE(a->ws->events) > 0)
		*result = ws_pop(a);
	else if (a->req == NULL || a->ws->state >= WS_CLOSING)
		*result = ws_disconnect(a->ws);
	else
		return STEP_WAIT;
	return *result == NULL ? STEP_FAILED : STEP_DONE;
}

/* Sec-WebSocket-Accept of this key. New bytes or NULL. */
static PyObject *
ws_accept_key(struct str key)
{
	PyObject *args, *hash = NULL, *digest = NULL, *text = NULL;
	char bytes[24 + sizeof(WS_GUID) - 1];

	memcpy(bytes, key.p, 24);
	memcpy(bytes + 24, WS_GUID, sizeof(WS_GUID) - 1);
	args = Py_BuildValue("(y#)", bytes, (Py_ssize_t)sizeof(bytes));
	if (args != NULL)
		hash = PyObject_Call(wsh.sha1, args, wsh.not_for_security);
	if (hash != NULL)
		digest = PyObject_CallMethod(hash, "digest", NULL);
	if (digest != NULL)
		text = PyObject_CallOneArg(wsh.base64, digest);
	Py_XDECREF(args);
	Py_XDECREF(hash);
	Py_XDECREF(digest);
	return text;
}

/* The chosen subprotocol, as a header's value; *out.p NULL if there is none. */
static int
ws_subprotocol(PyObject *message, struct str *out)
{
	PyObject *name = PyDict_GetItemString(message, "subprotocol");
	Py_ssize_t n;

	*out = (struct str){ NULL, 0 };
	if (name == NULL || name == Py_None)
		return 0;
	if (!PyUnicode_Check(name)) {
		PyErr_SetString(PyExc_TypeError, "subprotocol must be str");
		return -1;
	}
	if ((out->p = PyUnicode_AsUTF8AndSize(name, &n)) == NULL)
		return -1;
	out->len = (size_t)n;
	return 0;
}

/* 101 is no status that resp_start takes: the head is begun as another one. */
static int
ws_put_head(struct asgi *a, PyObject *message, PyObject *key)
{
	PyObject *headers = asgi_field(message, py_str.headers);
	struct req *req = a->req;
	/* Without the line end that binascii puts behind it. */
	struct str sub, value = { PyBytes_AS_STRING(key),
	    (size_t)PyBytes_GET_SIZE(key) - 1 };
	const char *why;

	if (ws_subprotocol(message, &sub) == -1)
		return -1;
	if (resp_start_upgrade(req, &why) == -1 || resp_header(req,
	    STR("Sec-WebSocket-Accept"), value, &why) == -1 ||
	    (sub.p != NULL && resp_header(req, STR("Sec-WebSocket-Protocol"),
	    sub, &why) == -1)) {
		PyErr_SetString(PyExc_ValueError, why);
		return -1;
	}
	if (headers != NULL && asgi_http_headers(a, headers) != STEP_DONE)
		return -1;
	return resp_flush(req) == IO_AGAIN ? -1 : 0;
}

static enum asgi_step
ws_accept(struct asgi *a, PyObject *message)
{
	struct req *req = a->req;
	struct asgi_ws *ws = a->ws;
	PyObject *key;
	int res;

	if (ws->state != WS_CONNECTING)
		return asgi_misuse("websocket.accept was sent before");
	key = ws_accept_key(str_trim(params_get(&req->params,
	    STR("HTTP_SEC_WEBSOCKET_KEY"))));
	if (key == NULL)
		return STEP_FAILED;
	res = ws_put_head(a, message, key);
	Py_DECREF(key);
	if (res == -1)
		return STEP_FAILED;
	ws->state = WS_OPEN;
	ws->pinger = pollev_timer(asgi.core, ws_on_ping, ws);
	if (ws->pinger == NULL || pollev_start(ws->pinger, WS_PING_NS) == -1)
		log_errorx("no memory for a timer");
	ws_pump(a);
	return STEP_DONE;
}

static enum asgi_step
ws_close_event(struct asgi *a, PyObject *message)
{
	PyObject *code = PyDict_GetItemString(message, "code");
	PyObject *reason = PyDict_GetItemString(message, "reason");
	long number = WS_NORMAL;
	const char *text = NULL;
	Py_ssize_t n = 0;

	if (code != NULL && code != Py_None)
		number = PyLong_AsLong(code);
	if (reason != NULL && reason != Py_None)
		text = PyUnicode_AsUTF8AndSize(reason, &n);
	if (PyErr_Occurred() != NULL)
		return STEP_FAILED;
	if (a->ws->state == WS_CONNECTING) {
		resp_error(a->req, 403, 0);
		ws_end(a);
		return STEP_DONE;
	}
	if (number < 0 || number > UINT16_MAX || !ws_is_code((uint16_t)number))
		number = WS_NORMAL;
	ws_say_close(a, (uint16_t)number, (struct proto_str){ text,
	    (size_t)n });
	asgi_wake(&a->receivers);
	return STEP_DONE;
}

/* The payload takes the place of the event. */
static enum asgi_step
ws_message_take(struct asgi_await *aw)
{
	struct asgi *a = (struct asgi *)aw->owner;
	PyObject *bytes = asgi_field(aw->message, py_str.bytes);
	PyObject *text = asgi_field(aw->message, py_str.text), *payload;
	bool is_text = text != NULL && text != Py_None;
	uint8_t head[WS_HEAD_MAX];

	if (is_text == (bytes != NULL && bytes != Py_None)) {
		PyErr_SetString(PyExc_ValueError,
		    "websocket.send has either bytes or text");
		return STEP_FAILED;
	}
	payload = is_text ? PyUnicode_AsUTF8String(text) :
	    PyBytes_FromObject(bytes);
	if (payload == NULL)
		return STEP_FAILED;
	Py_SETREF(aw->message, payload);
	aw->begun = true;
	ws_write(a->req, head, ws_frame(head, is_text ? WS_OP_TEXT :
	    WS_OP_BINARY, true, (uint64_t)PyBytes_GET_SIZE(payload)),
	    PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload) <=
	    ASGI_CHUNK ? (size_t)PyBytes_GET_SIZE(payload) : 0);
	if (PyBytes_GET_SIZE(payload) <= ASGI_CHUNK)
		aw->at = (size_t)PyBytes_GET_SIZE(payload);
	return STEP_DONE;
}

/* The rest of a large payload; then a slow reader has to catch up. */
static enum asgi_step
ws_message_go(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;
	size_t len = (size_t)PyBytes_GET_SIZE(aw->message), n;

	while (a->req != NULL && aw->at < len) {
		if (asgi_req_is_full(a))
			return STEP_WAIT;
		n = len - aw->at < ASGI_CHUNK ? len - aw->at : ASGI_CHUNK;
		ws_write(a->req, PyBytes_AS_STRING(aw->message) + aw->at, n,
		    NULL, 0);
		aw->at += n;
	}
	return asgi_req_is_full(a) ? STEP_WAIT : asgi_done(result);
}

static enum asgi_step
ws_send_first(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;
	PyObject *type = NULL;
	enum asgi_step step;

	if (PyDict_Check(aw->message))
		type = asgi_field(aw->message, py_str.type);
	if (type == NULL || !PyUnicode_Check(type))
		return asgi_unknown(type);
	if (a->req == NULL || a->ws->state >= WS_CLOSING)
		return asgi_done(result);
	if (asgi_is_type(type, py_str.ws_send)) {
		if (a->ws->state != WS_OPEN)
			return asgi_misuse("websocket.send was sent before "
			    "websocket.accept");
		step = ws_message_take(aw);
		return step == STEP_DONE ? ws_message_go(aw, result) : step;
	}
	if (PyUnicode_CompareWithASCIIString(type, "websocket.accept") == 0)
		step = ws_accept(a, aw->message);
	else if (PyUnicode_CompareWithASCIIString(type,
	    "websocket.close") == 0)
		step = ws_close_event(a, aw->message);
	else
		return asgi_unknown(type);
	return step == STEP_DONE ? asgi_done(result) : step;
}

/* The extension websocket.http.response: a refusal in the application's words. */
static enum asgi_step
ws_refuse(struct asgi_await *aw, PyObject **result)
{
	struct asgi *a = (struct asgi *)aw->owner;
	PyObject *type = asgi_field(aw->message, py_str.type);
	enum asgi_step step;

	if (asgi_is_type(type, py_str.ws_body))
		return asgi_http_body(aw, result);
	if (a->ws->state == WS_OPEN)
		return asgi_misuse("the WebSocket was accepted before");
	step = asgi_http_start(a, aw->message);
	if (step != STEP_DONE)
		return step;
	a->ws->state = WS_REFUSING;
	return asgi_done(result);
}

static bool
ws_is_refusal(const struct asgi_await *aw)
{
	const struct asgi *a = (struct asgi *)aw->owner;
	PyObject *type = NULL;

	if (a->ws->state == WS_REFUSING && aw->begun)
		return true;
	if (a->req != NULL && PyDict_Check(aw->message))
		type = asgi_field(aw->message, py_str.type);
	return asgi_is_type(type, py_str.ws_start) ||
	    asgi_is_type(type, py_str.ws_body);
}

static enum asgi_step
ws_send_step(struct asgi_await *aw, PyObject **result)
{
	if (asgi_await_is_behind(aw))
		return STEP_WAIT;
	if (ws_is_refusal(aw))
		return aw->begun ? asgi_http_body(aw, result) :
		    ws_refuse(aw, result);
	return aw->begun ? ws_message_go(aw, result) :
	    ws_send_first(aw, result);
}

/* It has returned: 1000, or raised: 1011; 500 where it said nothing. */
static void
ws_over(struct asgi *a, bool raised)
{
	if (a->ws->state == WS_OPEN)
		ws_say_close(a, raised ? WS_FAILED : WS_NORMAL,
		    (struct proto_str){ NULL, 0 });
	if (a->ws->state == WS_CLOSING)
		return;		/* the peer's close frame ends it */
	resp_abort(a->req);
	ws_end(a);
}

static void
ws_lose(struct asgi *a, bool gone)
{
	struct proto_str none = { NULL, 0 };

	ws_set_end(a->ws, WS_LOST, none);
	a->req->resp.gone = a->req->resp.gone || gone;
	if (!gone) {
		ws_end(a);
		return;
	}
	asgi_req_start_grace(a);
	a->ws->state = WS_CLOSED;
	pollev_free(a->ws->pinger);
	a->ws->pinger = NULL;
	asgi_req_release(a);
}

static void
ws_news(struct asgi *a, unsigned news)
{
	if (news & NEWS_BODY)
		ws_pump(a);
	if ((news & NEWS_LEAVE) && a->req != NULL && a->ws->state == WS_OPEN) {
		ws_say_close(a, WS_RESTART, (struct proto_str){ NULL, 0 });
		asgi_wake(&a->receivers);
	}
	if ((news & (NEWS_EOF | NEWS_GONE)) && a->req != NULL)
		ws_lose(a, news & NEWS_GONE);
}

const struct asgi_kind asgi_websocket = {
	.receive = ws_receive_step,
	.send = ws_send_step,
	.over = ws_over,
	.news = ws_news
};

/* Answer the handshake with this status. */
static bool
ws_answer(struct req *req, int status, struct log_rate *rate, const char *why)
{
	const char *ignored;
	char line[256];

	log_rated(rate, LOG_WARN_, "%s: WebSocket answered with %d: %s",
	    req_line(req, line, sizeof(line)), status, why);
	if (status != 426)
		resp_error(req, status, 0);
	else if (resp_start(req, STR("426 Upgrade Required"), &ignored) == 0 &&
	    resp_header(req, STR("Sec-WebSocket-Version"), STR("13"),
	    &ignored) == 0 && resp_length(req, 0) == 0)
		resp_end(req);
	req->io->finish(req);
	return false;
}

bool
asgi_ws_open(struct req *req)
{
	static struct log_rate fastcgi, client;
	const struct params *p = &req->params;
	struct str version = params_get(p, STR("HTTP_SEC_WEBSOCKET_VERSION"));
	struct str key = params_get(p, STR("HTTP_SEC_WEBSOCKET_KEY"));

	if (req->io->input(req) == NULL)
		return ws_answer(req, 426, &fastcgi, "nginx passes it on "
		    "by uwsgi_pass, no proxy does by FastCGI");
	if (!str_eq(p->known[PARAM_REQUEST_METHOD], STR("GET")) ||
	    str_eq(p->server_protocol, STR("HTTP/1.0")))
		return ws_answer(req, 400, &client, "not a GET of HTTP/1.1");
	if (key.p == NULL || !ws_is_key((struct proto_str){
	    str_trim(key).p, str_trim(key).len }))
		return ws_answer(req, 400, &client, "bad Sec-WebSocket-Key");
	if (version.p == NULL || !str_eq(str_trim(version), STR("13")))
		return ws_answer(req, 426, &client,
		    "Sec-WebSocket-Version is not 13");
	return true;
}

int
asgi_ws_start(struct asgi *a)
{
	struct asgi_ws *ws = calloc(1, sizeof(*ws));

	if (ws == NULL || (ws->events = PyList_New(0)) == NULL) {
		free(ws);
		PyErr_NoMemory();
		return -1;
	}
	ws_init(&ws->dec, asgi.ws_limit);
	buf_init(&ws->message, asgi.ws_limit > 0 && asgi.ws_limit < SIZE_MAX ?
	    (size_t)asgi.ws_limit : SIZE_MAX);
	ws->req = a->req;
	a->ws = ws;
	return 0;
}

int
asgi_ws_init(void)
{
	PyObject *hashlib = PyImport_ImportModule("hashlib");
	PyObject *binascii = PyImport_ImportModule("binascii");

	if (hashlib != NULL && binascii != NULL) {
		wsh.sha1 = PyObject_GetAttrString(hashlib, "sha1");
		wsh.base64 = PyObject_GetAttrString(binascii, "b2a_base64");
		wsh.not_for_security = Py_BuildValue("{sO}",
		    "usedforsecurity", Py_False);
	}
	Py_XDECREF(hashlib);
	Py_XDECREF(binascii);
	return wsh.sha1 == NULL || wsh.base64 == NULL ||
	    wsh.not_for_security == NULL ? -1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* A request of an ASGI application: what HTTP and WebSocket share. */
#include "python/asgi.h"

#include <string.h>

#include "python/gateway.h"
#include "python/py_err.h"
#include "python/py_str.h"
#include "req/req.h"

#define REQ_GRACE	3.0		/* seconds, before a task is cancelled */

static PyTypeObject *req_type;

void
asgi_req_release(struct asgi *a)
{
	struct req *req = a->req;

	asgi_http_unhold(a);
	a->req = NULL;
	req->app = NULL;
	asgi_wake(&a->receivers);
	asgi_wake(&a->senders);
	Py_DECREF(a);
}

void
asgi_req_finish(struct asgi *a)
{
	struct req *req = a->req;

	asgi_req_release(a);
	req->io->finish(req);
}

bool
asgi_req_is_full(const struct asgi *a)
{
	return a->req != NULL && a->req->io->queued(a->req) > ASGI_HIGH;
}

PyObject *
asgi_field(PyObject *message, PyObject *name)
{
	return PyDict_GetItemWithError(message, name);
}

bool
asgi_is_type(PyObject *type, PyObject *name)
{
	return type == name || (type != NULL && PyUnicode_Check(type) &&
	    PyUnicode_Compare(type, name) == 0);
}

enum asgi_step
asgi_misuse(const char *text)
{
	PyErr_SetString(PyExc_RuntimeError, text);
	return STEP_FAILED;
}

enum asgi_step
asgi_unknown(PyObject *type)
{
	if (type != NULL)
		PyErr_Format(PyExc_ValueError, "unknown event %R", type);
	else if (PyErr_Occurred() == NULL)
		PyErr_SetObject(PyExc_KeyError, py_str.type);
	return STEP_FAILED;
}

enum asgi_step
asgi_done(PyObject **result)
{
	Py_INCREF(Py_None);
	*result = Py_None;
	return STEP_DONE;
}

static PyObject *
req_receive(PyObject *self, PyObject *none UNUSED)
{
	struct asgi *a = (struct asgi *)self;

	return asgi_await_new(a->kind->receive, &a->receivers, self, NULL);
}

static PyObject *
req_send(PyObject *self, PyObject *message)
{
	struct asgi *a = (struct asgi *)self;

	return asgi_await_new(a->kind->send, &a->senders, self, message);
}

static PyObject *
req_on_grace(PyObject *self, PyObject *none UNUSED)
{
	struct asgi *a = (struct asgi *)self;

	Py_CLEAR(a->timer);
	if (a->host != NULL)
		asgi_host_cancel(a->host);
	Py_RETURN_NONE;
}

static PyMethodDef req_methods[] = {
	{ "receive", req_receive, METH_NOARGS, "The next event." },
	{ "send", req_send, METH_O, "Send an event." },
	{ "grace", req_on_grace, METH_NOARGS, NULL },
};

PyObject *
asgi_req_receive(struct asgi *a)
{
	return PyCFunction_New(&req_methods[0], (PyObject *)a);
}

PyObject *
asgi_req_send(struct asgi *a)
{
	return PyCFunction_New(&req_methods[1], (PyObject *)a);
}

void
asgi_req_start_grace(struct asgi *a)
{
	PyObject *callback;

	if (a->host == NULL || a->ended || a->timer != NULL)
		return;
	callback = PyCFunction_New(&req_methods[2], (PyObject *)a);
	if (callback != NULL)
		a->timer = PyObject_CallMethod(asgi.loop, "call_later", "dO",
		    REQ_GRACE, callback);
	Py_XDECREF(callback);
	if (a->timer == NULL)
		py_err_log(NULL, "call_later()");
}

static void
req_stop_timer(struct asgi *a)
{
	PyObject *res;

	if (a->timer == NULL)
		return;
	res = PyObject_CallMethodNoArgs(a->timer, py_str.cancel);
	Py_XDECREF(res);
	Py_CLEAR(a->timer);
	PyErr_Clear();
}

/* Who was cancelled knows; who writes to a client that left has no news. */
static void
req_log_raised(const struct asgi *a)
{
	if (PyErr_ExceptionMatches(asgi.cancelled) ||
	    (a->left && PyErr_ExceptionMatches(PyExc_OSError)))
		PyErr_Clear();
	else
		py_err_log(a->req, "the application");
}

void
asgi_req_over(struct asgi *a, bool raised)
{
	a->host = NULL;
	if (raised)
		req_log_raised(a);
	req_stop_timer(a);
	if (a->req != NULL)
		a->kind->over(a, raised);
}

void
asgi_req_news(struct req *req, unsigned news)
{
	struct asgi *a = req->app;

	if (a == NULL)
		return;
	Py_INCREF(a);
	if (news & (NEWS_EOF | NEWS_LEAVE | NEWS_GONE))
		a->left = true;
	if (news & NEWS_ROOM)
		asgi_wake(&a->senders);
	a->kind->news(a, news);
	if ((news & NEWS_CANCEL) && a->host != NULL)
		asgi_host_cancel(a->host);
	Py_DECREF(a);
}

struct asgi *
asgi_req_new(struct req *req, const struct asgi_kind *kind)
{
	struct asgi *a = PyObject_New(struct asgi, req_type);

	if (a == NULL)
		return NULL;
	memset((char *)a + sizeof(PyObject), 0, sizeof(*a) - sizeof(PyObject));
	TAILQ_INIT(&a->receivers);
	TAILQ_INIT(&a->senders);
	a->kind = kind;
	a->req = req;
	req->app = a;
	Py_INCREF(a);
	return a;
}

static void
req_dealloc(struct asgi *a)
{
	PyTypeObject *type = Py_TYPE(a);

	if (a->ws != NULL)
		asgi_ws_free(a->ws);
	Py_XDECREF(a->timer);
	type->tp_free(a);
	Py_DECREF(type);
}

static PyType_Slot req_slots[] = {
	{ Py_tp_dealloc, req_dealloc },
	{ 0, NULL }
};

static PyType_Spec req_spec = {
	.name = "saola.Request",
	.basicsize = sizeof(struct asgi),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = req_slots
};

int
asgi_req_init(void)
{
	req_type = (PyTypeObject *)PyType_FromSpec(&req_spec);
	return req_type == NULL ? -1 : 0;
}

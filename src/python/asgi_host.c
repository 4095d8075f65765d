/* SPDX-License-Identifier: MIT */
/*
 * Tasks for requests, made before they are needed. A request is driven at once
 * and most never wait, so they need no turn of the loop; but current_task() has
 * to be a task of their own, which timeouts, task groups and anyio build on.
 *
 * So a host is a task whose coroutine is ours. It waits at a gate. A request
 * takes an idle host, is driven with the host's task as the current one, and
 *   - ends: if nobody has got hold of the task, the next request may have it;
 *   - suspends: the gate opens, and what the application waits for is what our
 *     coroutine yields next. From there on the task drives the application.
 *
 *	FRESH ─task's first step─▶ PARKED ─request─▶ FIRST ─suspends─▶ HANDED
 *	   └───────────request────────────────────────▲                  │ step
 *	                                      OVER ◀─────────────── RUNNING
 */
#include <string.h>

#include "base/log.h"
#include "python/asgi.h"
#include "python/py_coro.h"
#include "python/py_err.h"
#include "python/py_str.h"

#define HOSTS_IDLE	8	/* kept for requests to come */

enum host_state {
	HOST_FRESH,		/* its task has not made a step yet */
	HOST_PARKED,		/* waits at the gate */
	HOST_HANDED,		/* its next step yields what is pending */
	HOST_RUNNING,		/* its task drives the application */
	HOST_OVER
};

struct asgi_host {
	PyObject_HEAD
	enum host_state	 state;
	PyObject	*task;
	PyObject	*gate;		/* what it waits for while parked */
	PyObject	*coro;		/* the application's */
	PyObject	*pending;	/* what it yielded first */
	PyObject	*context;
	struct asgi	*a;		/* held */
	TAILQ_ENTRY(asgi_host) entry;
};
TAILQ_HEAD(asgi_hosts, asgi_host);

/* The hosts in both lists are held. */
static struct {
	PyTypeObject	*type;
	PyObject	*task_names;	/* ("loop",) */
	struct asgi_hosts idle, running;
	size_t		 nidle, nrunning;
} hosts;

/* What anybody who has seen a task could have left on it. */
struct host_mark {
	Py_ssize_t	 refs;
	PyObject	*weakrefs;
};

static struct host_mark
host_mark(const struct asgi_host *h)
{
	return (struct host_mark){ Py_REFCNT(h->task),
	    *PyObject_GET_WEAKREFS_LISTPTR(h->task) };
}

/* Whether an attribute of the task is None, or what a method gives is 0. */
static bool
host_has_none(const struct asgi_host *h, PyObject *name)
{
	PyObject *value = PyObject_GetAttr(h->task, name);
	bool none = value == Py_None;

	Py_XDECREF(value);
	PyErr_Clear();
	return none;
}

static bool
host_is_cancelled(const struct asgi_host *h)
{
	PyObject *n = PyObject_CallMethodNoArgs(h->task, py_str.cancelling);
	bool yes = n == NULL || PyObject_IsTrue(n) != 0;

	Py_XDECREF(n);
	PyErr_Clear();
	return yes;
}

/* Nobody can tell that the task has had a request. */
static bool
host_is_clean(const struct asgi_host *h, struct host_mark before)
{
	PyObject **dict = _PyObject_GetDictPtr(h->task);
	struct host_mark now = host_mark(h);

	return now.refs == before.refs && now.weakrefs == before.weakrefs &&
	    (dict == NULL || *dict == NULL) &&
	    host_has_none(h, py_str.callbacks) && !host_is_cancelled(h);
}

static struct asgi_host *
host_new(void)
{
	struct asgi_host *h = PyObject_New(struct asgi_host, hosts.type);
	PyObject *args[2] = { (PyObject *)h, asgi.loop }, *res;

	if (h == NULL)
		return NULL;
	memset((char *)h + sizeof(PyObject), 0, sizeof(*h) - sizeof(PyObject));
	h->task = PyObject_Vectorcall(asgi.task_type, args, 1,
	    hosts.task_names);
	/* all_tasks() is for tasks that do something. */
	res = h->task == NULL ? NULL :
	    PyObject_CallOneArg(asgi.unlist, h->task);
	if (res == NULL)
		Py_CLEAR(h);
	Py_XDECREF(res);
	return h;
}

/* New reference, out of the list. */
static struct asgi_host *
host_take(void)
{
	struct asgi_host *h = TAILQ_FIRST(&hosts.idle);

	if (h == NULL)
		return host_new();
	TAILQ_REMOVE(&hosts.idle, h, entry);
	hosts.nidle--;
	return h;
}

/* The next step ends the task: the gate opens, or it was never waited for. */
static void
host_end(struct asgi_host *h)
{
	h->state = HOST_OVER;
	if (h->gate != NULL)
		asgi_future_set(h->gate);
	Py_CLEAR(h->gate);
	Py_CLEAR(h->task);
	Py_DECREF(h);
}

/* Takes the reference. The one used last is the first to be used again. */
static void
host_put(struct asgi_host *h)
{
	if (hosts.nidle >= HOSTS_IDLE || asgi.stopping) {
		host_end(h);
		return;
	}
	TAILQ_INSERT_HEAD(&hosts.idle, h, entry);
	hosts.nidle++;
}

/* The application has returned or raised what is set. */
static void
host_settle(struct asgi_host *h, bool raised)
{
	struct asgi *a = h->a;

	Py_CLEAR(h->coro);
	Py_CLEAR(h->context);
	h->a = NULL;
	asgi_req_over(a, raised);
	Py_DECREF(a);
}

/* A step of the application, in the request's context. */
static PySendResult
host_drive(struct asgi_host *h, PyObject *value, PyObject **result)
{
	PySendResult how;

	*result = NULL;
	if (PyContext_Enter(h->context) == -1)
		return PYGEN_ERROR;
	how = PyIter_Send(h->coro, value, result);
	if (PyContext_Exit(h->context) == -1)
		py_err_log(NULL, "the context of a request");
	return how;
}

/* What may be awaited but is no coroutine has an iterator. Takes o. */
static PyObject *
host_awaitable(PyObject *o)
{
	PyAsyncMethods *async = o != NULL ? Py_TYPE(o)->tp_as_async : NULL;
	PyObject *iter;

	if (o == NULL || PyCoro_CheckExact(o))
		return o;
	if (async == NULL || async->am_await == NULL) {
		PyErr_Format(PyExc_TypeError, "the application returned "
		    "%.100s, which cannot be awaited", Py_TYPE(o)->tp_name);
		Py_DECREF(o);
		return NULL;
	}
	iter = async->am_await(o);
	Py_DECREF(o);
	return iter;
}

/* app(scope, receive, send), which runs none of it if it is a coroutine. */
static PyObject *
host_call(struct asgi *a)
{
	PyObject *args[4] = { NULL }, *res = NULL;

	if ((args[1] = asgi_scope_new(a->req)) != NULL &&
	    (args[2] = asgi_req_receive(a)) != NULL &&
	    (args[3] = asgi_req_send(a)) != NULL)
		res = PyObject_Vectorcall(asgi.application, args + 1,
		    3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	Py_XDECREF(args[1]);
	Py_XDECREF(args[2]);
	Py_XDECREF(args[3]);
	return host_awaitable(res);
}

/* The call and its first step, with the host's task as the current one. */
static PySendResult
host_first(struct asgi_host *h, PyObject **result)
{
	PyObject *args[2] = { asgi.loop, h->task }, *res;
	PyObject *type, *value, *trace;
	PySendResult how = PYGEN_ERROR;

	*result = NULL;
	res = PyObject_Vectorcall(asgi.enter, args, 2, NULL);
	if (res == NULL)
		return PYGEN_ERROR;
	Py_DECREF(res);
	if (PyContext_Enter(h->context) == 0) {
		if ((h->coro = host_call(h->a)) != NULL)
			how = PyIter_Send(h->coro, Py_None, result);
		if (PyContext_Exit(h->context) == -1)
			py_err_log(NULL, "the context of a request");
	}
	/* What is set is the application's, and stays. */
	PyErr_Fetch(&type, &value, &trace);
	res = PyObject_Vectorcall(asgi.leave, args, 2, NULL);
	Py_XDECREF(res);
	PyErr_Restore(type, value, trace);
	return how;
}

/* It waits: from here on its task drives it. Takes pending. */
static void
host_hand_over(struct asgi_host *h, PyObject *pending)
{
	PyObject *res = PyObject_CallOneArg(asgi.list, h->task);

	if (res == NULL)
		py_err_log(NULL, "asyncio");
	Py_XDECREF(res);
	h->pending = pending;
	h->state = HOST_HANDED;
	if (h->gate != NULL)
		asgi_future_set(h->gate);
	Py_CLEAR(h->gate);
	TAILQ_INSERT_TAIL(&hosts.running, h, entry);
	hosts.nrunning++;
}

/* It has ended at once. Takes the reference. */
static void
host_ended_at_once(struct asgi_host *h, struct host_mark before, bool raised)
{
	host_settle(h, raised);
	if (host_is_clean(h, before))
		host_put(h);
	else
		host_end(h);
}

void
asgi_host_run(struct asgi *a)
{
	struct asgi_host *h = host_take();
	struct host_mark before;
	PySendResult how;
	PyObject *result;

	if (h == NULL ||
	    (h->context = PyContext_Copy(asgi.context)) == NULL) {
		asgi_req_over(a, true);
		if (h != NULL)
			host_put(h);
		return;
	}
	before = host_mark(h);
	Py_INCREF(a);
	h->a = a;
	a->host = h;
	how = host_first(h, &result);
	if (how == PYGEN_NEXT) {
		host_hand_over(h, result);
		return;
	}
	Py_XDECREF(result);
	host_ended_at_once(h, before, how == PYGEN_ERROR);
}

void
asgi_host_cancel(struct asgi_host *h)
{
	PyObject *res = PyObject_CallMethodNoArgs(h->task, py_str.cancel);

	if (res == NULL)
		py_err_log(NULL, "Task.cancel()");
	Py_XDECREF(res);
}

/* Out of the list of those that run; its task is about to be done. */
static void
host_leave(struct asgi_host *h)
{
	h->state = HOST_OVER;
	TAILQ_REMOVE(&hosts.running, h, entry);
	hosts.nrunning--;
	Py_CLEAR(h->task);
	Py_DECREF(h);
}

/*
 * The application's end becomes the task's. An exception is in the log by
 * then; only that it was cancelled is the task's to know.
 */
static PySendResult
host_finish(struct asgi_host *h, bool raised, PyObject **result)
{
	bool cancelled = raised && PyErr_ExceptionMatches(asgi.cancelled);

	Py_INCREF(h);
	Py_CLEAR(*result);
	host_settle(h, raised);
	host_leave(h);
	Py_DECREF(h);
	if (cancelled) {
		PyErr_SetNone(asgi.cancelled);
		return PYGEN_ERROR;
	}
	Py_INCREF(Py_None);
	*result = Py_None;
	return PYGEN_RETURN;
}

static PySendResult
host_park(struct asgi_host *h, PyObject **result)
{
	if ((h->gate = asgi_future_new()) == NULL ||
	    asgi_future_yield(h->gate) == -1)
		return PYGEN_ERROR;
	h->state = HOST_PARKED;
	Py_INCREF(h->gate);
	*result = h->gate;
	return PYGEN_NEXT;
}

/* A step of the task. */
static PySendResult
host_send(struct asgi_host *h, PyObject *value, PyObject **result)
{
	PySendResult how;

	*result = NULL;
	switch (h->state) {
	case HOST_FRESH:
		return host_park(h, result);
	case HOST_HANDED:
		h->state = HOST_RUNNING;
		*result = h->pending;
		h->pending = NULL;
		return PYGEN_NEXT;
	case HOST_RUNNING:
		how = host_drive(h, value, result);
		if (how == PYGEN_NEXT)
			return how;
		return host_finish(h, how == PYGEN_ERROR, result);
	default:
		Py_INCREF(Py_None);
		*result = Py_None;
		return PYGEN_RETURN;
	}
}

/* throw() of the application's coroutine, in its context. */
static PyObject *
host_throw_in(struct asgi_host *h, PyObject *const *args, Py_ssize_t n)
{
	PyObject *throw, *res = NULL;

	if ((throw = PyObject_GetAttr(h->coro, py_str.throw_)) == NULL)
		return NULL;
	if (PyContext_Enter(h->context) == 0) {
		res = PyObject_Vectorcall(throw, args, (size_t)n, NULL);
		if (PyContext_Exit(h->context) == -1)
			py_err_log(NULL, "the context of a request");
	}
	Py_DECREF(throw);
	return res;
}

/* StopIteration is how throw() returns. True: it has, and it is cleared. */
static bool
host_has_stopped(void)
{
	if (!PyErr_ExceptionMatches(PyExc_StopIteration))
		return false;
	PyErr_Clear();
	return true;
}

/* An idle task that somebody cancelled: it is of no use any more. */
static void
host_throw_idle(struct asgi_host *h)
{
	struct asgi_host *i;

	TAILQ_FOREACH(i, &hosts.idle, entry)
		if (i == h)
			break;
	if (i == NULL)
		return;
	TAILQ_REMOVE(&hosts.idle, h, entry);
	hosts.nidle--;
	h->state = HOST_OVER;
	Py_CLEAR(h->gate);
	Py_CLEAR(h->task);
	Py_DECREF(h);
}

static PyObject *
host_throw(struct asgi_host *h, PyObject *const *args, Py_ssize_t n)
{
	PyObject *result;
	PySendResult how;

	if (h->state != HOST_HANDED && h->state != HOST_RUNNING) {
		Py_INCREF(h);
		host_throw_idle(h);
		Py_DECREF(h);
		py_throw(args, n);
		return NULL;
	}
	h->state = HOST_RUNNING;
	Py_CLEAR(h->pending);
	if ((result = host_throw_in(h, args, n)) != NULL)
		return result;
	how = host_finish(h, !host_has_stopped(), &result);
	return py_send_result(how, result);
}

static PyObject *
host_next(PyObject *self)
{
	PyObject *result;
	PySendResult how;

	how = host_send((struct asgi_host *)self, Py_None, &result);
	return py_send_result(how, result);
}

static PyObject *
host_method_send(PyObject *self, PyObject *value)
{
	PyObject *result;
	PySendResult how;

	how = host_send((struct asgi_host *)self, value, &result);
	return py_send_result(how, result);
}

static PyObject *
host_self(PyObject *self)
{
	Py_INCREF(self);
	return self;
}

static PyObject *
host_close(PyObject *self UNUSED, PyObject *none UNUSED)
{
	Py_RETURN_NONE;
}

/* cr_frame, cr_code ...: whoever prints a stack wants the application's. */
static PyObject *
host_get(PyObject *self, void *name)
{
	struct asgi_host *h = (struct asgi_host *)self;

	if (h->coro != NULL)
		return PyObject_GetAttrString(h->coro, name);
	if (strcmp(name, "cr_running") == 0)
		Py_RETURN_FALSE;
	Py_RETURN_NONE;
}

static void
host_dealloc(struct asgi_host *h)
{
	PyTypeObject *type = Py_TYPE(h);

	Py_XDECREF(h->task);
	Py_XDECREF(h->gate);
	Py_XDECREF(h->coro);
	Py_XDECREF(h->pending);
	Py_XDECREF(h->context);
	Py_XDECREF(h->a);
	type->tp_free(h);
	Py_DECREF(type);
}

size_t
asgi_host_running(void)
{
	return hosts.nrunning;
}

PyObject *
asgi_host_cancel_all(void)
{
	PyObject *tasks = PySet_New(NULL);
	struct asgi_host *h;

	TAILQ_FOREACH(h, &hosts.running, entry) {
		asgi_host_cancel(h);
		if (tasks != NULL && PySet_Add(tasks, h->task) == -1)
			Py_CLEAR(tasks);
	}
	return tasks;
}

void
asgi_host_retire(void)
{
	struct asgi_host *h;

	while ((h = TAILQ_FIRST(&hosts.idle)) != NULL) {
		TAILQ_REMOVE(&hosts.idle, h, entry);
		hosts.nidle--;
		host_end(h);
	}
}

static PyMethodDef host_methods[] = {
	{ "send", host_method_send, METH_O, NULL },
	{ "throw", PY_METHOD(host_throw), METH_FASTCALL, NULL },
	{ "close", host_close, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static char host_frame[] = "cr_frame", host_code[] = "cr_code",
    host_running[] = "cr_running", host_await[] = "cr_await",
    host_name[] = "__name__", host_qualname[] = "__qualname__";

static PyGetSetDef host_getset[] = {
	{ host_frame, host_get, NULL, NULL, host_frame },
	{ host_code, host_get, NULL, NULL, host_code },
	{ host_running, host_get, NULL, NULL, host_running },
	{ host_await, host_get, NULL, NULL, host_await },
	{ host_name, host_get, NULL, NULL, host_name },
	{ host_qualname, host_get, NULL, NULL, host_qualname },
	{ NULL, NULL, NULL, NULL, NULL }
};

static PyType_Slot host_slots[] = {
	{ Py_tp_dealloc, host_dealloc },
	{ Py_tp_methods, host_methods },
	{ Py_tp_getset, host_getset },
	{ Py_tp_iter, host_self },
	{ Py_tp_iternext, host_next },
	{ Py_am_await, host_self },
	{ Py_am_send, host_send },
	{ 0, NULL }
};

static PyType_Spec host_spec = {
	.name = "saola.Host",
	.basicsize = sizeof(struct asgi_host),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = host_slots
};

int
asgi_host_init(void)
{
	TAILQ_INIT(&hosts.idle);
	TAILQ_INIT(&hosts.running);
	hosts.type = (PyTypeObject *)PyType_FromSpec(&host_spec);
	hosts.task_names = Py_BuildValue("(s)", "loop");
	if (hosts.type == NULL || hosts.task_names == NULL)
		return -1;
	return py_register_coroutine(hosts.type);
}

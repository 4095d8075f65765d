/* SPDX-License-Identifier: MIT */
/* What receive() and send() return. */
#include "python/asgi_await.h"

#include "python/py_coro.h"
#include "python/py_err.h"
#include "python/py_str.h"

static struct {
	PyTypeObject	*type;
	PyObject	*future_type, *loop;
	PyObject	*loop_names;		/* ("loop",) */
} await;

void
asgi_await_serve(PyObject *future_type, PyObject *loop)
{
	Py_INCREF(future_type);
	Py_INCREF(loop);
	Py_XSETREF(await.future_type, future_type);
	Py_XSETREF(await.loop, loop);
}

PyObject *
asgi_future_new(void)
{
	return PyObject_Vectorcall(await.future_type, &await.loop, 0,
	    await.loop_names);
}

void
asgi_future_set(PyObject *future)
{
	PyObject *done = PyObject_CallMethodNoArgs(future, py_str.done), *res;

	if (done == Py_False) {
		res = PyObject_CallMethodOneArg(future, py_str.set_result,
		    Py_None);
		Py_XDECREF(res);
	}
	Py_XDECREF(done);
	if (PyErr_Occurred() != NULL)
		py_err_log(NULL, "a future of asyncio");
}

/* As Future.__await__ does. */
int
asgi_future_yield(PyObject *future)
{
	return PyObject_SetAttr(future, py_str.blocking, Py_True);
}

bool
asgi_await_is_behind(const struct asgi_await *aw)
{
	const struct asgi_await *first = TAILQ_FIRST(aw->queue);

	return first != NULL && first != aw;
}

void
asgi_wake(struct asgi_queue *queue)
{
	struct asgi_await *aw = TAILQ_FIRST(queue);

	if (aw != NULL && aw->future != NULL)
		asgi_future_set(aw->future);
}

/* It waits no longer: the next one may find what it did not take. */
static void
await_leave(struct asgi_await *aw)
{
	PyObject *type, *value, *trace;

	aw->over = true;
	Py_CLEAR(aw->future);
	if (!aw->queued)
		return;
	TAILQ_REMOVE(aw->queue, aw, entry);
	aw->queued = false;
	PyErr_Fetch(&type, &value, &trace);
	asgi_wake(aw->queue);
	PyErr_Restore(type, value, trace);
}

static int
await_wait(struct asgi_await *aw, PyObject **result)
{
	PyObject *future = asgi_future_new();

	if (future == NULL || asgi_future_yield(future) == -1) {
		Py_XDECREF(future);
		return -1;
	}
	if (!aw->queued)
		TAILQ_INSERT_TAIL(aw->queue, aw, entry);
	aw->queued = true;
	Py_INCREF(future);
	Py_XSETREF(aw->future, future);
	*result = future;
	return 0;
}

static PySendResult
await_send(struct asgi_await *aw, PyObject *value UNUSED, PyObject **result)
{
	*result = NULL;
	if (aw->over) {
		PyErr_SetString(PyExc_RuntimeError,
		    "cannot reuse already awaited coroutine");
		return PYGEN_ERROR;
	}
	switch (aw->step(aw, result)) {
	case STEP_WAIT:
		if (await_wait(aw, result) == 0)
			return PYGEN_NEXT;
		break;
	case STEP_YIELD:
		Py_INCREF(Py_None);
		*result = Py_None;
		return PYGEN_NEXT;
	case STEP_DONE:
		await_leave(aw);
		return PYGEN_RETURN;
	case STEP_FAILED:
		break;
	}
	await_leave(aw);
	return PYGEN_ERROR;
}

/* For callers that know no am_send. */
static PyObject *
await_next(PyObject *self)
{
	PyObject *result;
	PySendResult how;

	how = await_send((struct asgi_await *)self, Py_None, &result);
	return py_send_result(how, result);
}

static PyObject *
await_method_send(PyObject *self, PyObject *value UNUSED)
{
	return await_next(self);
}

static PyObject *
await_self(PyObject *self)
{
	Py_INCREF(self);
	return self;
}

static PyObject *
await_throw(struct asgi_await *aw, PyObject *const *args, Py_ssize_t n)
{
	await_leave(aw);
	py_throw(args, n);
	return NULL;
}

static PyObject *
await_close(struct asgi_await *aw, PyObject *none UNUSED)
{
	await_leave(aw);
	Py_RETURN_NONE;
}

static int
await_traverse(struct asgi_await *aw, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(aw));
	Py_VISIT(aw->owner);
	Py_VISIT(aw->message);
	Py_VISIT(aw->future);
	return 0;
}

static int
await_clear(struct asgi_await *aw)
{
	if (aw->queued)
		await_leave(aw);
	Py_CLEAR(aw->future);
	Py_CLEAR(aw->message);
	return 0;
}

static void
await_dealloc(struct asgi_await *aw)
{
	PyTypeObject *type = Py_TYPE(aw);

	PyObject_GC_UnTrack(aw);
	await_clear(aw);
	Py_XDECREF(aw->owner);
	type->tp_free(aw);
	Py_DECREF(type);
}

PyObject *
asgi_await_new(asgi_step_fn *step, struct asgi_queue *queue, PyObject *owner,
    PyObject *message)
{
	struct asgi_await *aw;

	aw = PyObject_GC_New(struct asgi_await, await.type);
	if (aw == NULL)
		return NULL;
	aw->step = step;
	aw->queue = queue;
	Py_INCREF(owner);
	aw->owner = owner;
	Py_XINCREF(message);
	aw->message = message;
	aw->future = NULL;
	aw->at = 0;
	aw->begun = aw->more = aw->queued = aw->over = false;
	PyObject_GC_Track(aw);
	return (PyObject *)aw;
}

static PyMethodDef await_methods[] = {
	{ "send", await_method_send, METH_O, NULL },
	{ "throw", PY_METHOD(await_throw), METH_FASTCALL, NULL },
	{ "close", PY_METHOD(await_close), METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot await_slots[] = {
	{ Py_tp_dealloc, await_dealloc },
	{ Py_tp_traverse, await_traverse },
	{ Py_tp_clear, await_clear },
	{ Py_tp_methods, await_methods },
	{ Py_tp_iter, await_self },
	{ Py_tp_iternext, await_next },
	{ Py_am_await, await_self },
	{ Py_am_send, await_send },
	{ 0, NULL }
};

static PyType_Spec await_spec = {
	.name = "saola.Awaitable",
	.basicsize = sizeof(struct asgi_await),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
	    Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = await_slots
};

int
asgi_await_init(void)
{
	await.type = (PyTypeObject *)PyType_FromSpec(&await_spec);
	await.loop_names = Py_BuildValue("(s)", "loop");
	if (await.type == NULL || await.loop_names == NULL)
		return -1;
	return py_register_coroutine(await.type);
}

/* SPDX-License-Identifier: MIT */
/*
 * The lifespan of an application: one task, once per worker. What it sets in
 * its context before it says that startup is complete, requests start from.
 */
#include <string.h>

#include "base/log.h"
#include "python/asgi.h"
#include "python/asgi_lifespan.h"
#include "python/py_err.h"
#include "python/py_str.h"

#define LIFESPAN_STOP	5.0	/* seconds for the shutdown */

/* What the application has said last. */
enum lifespan_said {
	SAID_NOTHING, SAID_STARTED, SAID_START_FAILED, SAID_STOPPED,
	SAID_STOP_FAILED
};

static const struct {
	const char	*type;
	enum lifespan_said said;
} lifespan_events[] = {
	{ "lifespan.startup.complete", SAID_STARTED },
	{ "lifespan.startup.failed", SAID_START_FAILED },
	{ "lifespan.shutdown.complete", SAID_STOPPED },
	{ "lifespan.shutdown.failed", SAID_STOP_FAILED },
};

static struct {
	struct asgi_queue queue;
	PyObject	*task;
	PyObject	*waiter;	/* future: set when something was said */
	PyObject	*message;	/* of the last failure, or NULL */
	enum lifespan_said said;
	bool		 asked;		/* it got lifespan.startup */
	bool		 stopping;
	bool		 told;		/* and lifespan.shutdown */
} life;

static enum asgi_step
life_receive_step(struct asgi_await *aw, PyObject **result)
{
	const char *type = NULL;

	if (asgi_await_is_behind(aw))
		return STEP_WAIT;
	if (!life.asked) {
		life.asked = true;
		type = "lifespan.startup";
	} else if (life.stopping && !life.told) {
		life.told = true;
		type = "lifespan.shutdown";
	} else
		return STEP_WAIT;
	*result = Py_BuildValue("{Os}", py_str.type, type);
	return *result == NULL ? STEP_FAILED : STEP_DONE;
}

static enum asgi_step
life_said(PyObject *message, PyObject *type)
{
	PyObject *text;
	size_t i;

	for (i = 0; i < nitems(lifespan_events); i++)
		if (PyUnicode_CompareWithASCIIString(type,
		    lifespan_events[i].type) == 0)
			break;
	if (i == nitems(lifespan_events)) {
		PyErr_Format(PyExc_ValueError, "unknown event %R", type);
		return STEP_FAILED;
	}
	life.said = lifespan_events[i].said;
	text = PyDict_GetItemWithError(message, py_str.message);
	Py_XINCREF(text);
	Py_XSETREF(life.message, text);
	asgi_future_set(life.waiter);
	return STEP_DONE;
}

static enum asgi_step
life_send_step(struct asgi_await *aw, PyObject **result)
{
	PyObject *type = NULL;

	if (PyDict_Check(aw->message))
		type = PyDict_GetItemWithError(aw->message, py_str.type);
	if (type == NULL || !PyUnicode_Check(type)) {
		PyErr_SetString(PyExc_TypeError,
		    "an event is a dict with a \"type\"");
		return STEP_FAILED;
	}
	Py_INCREF(Py_None);
	*result = Py_None;
	return life_said(aw->message, type);
}

static PyObject *
life_receive(PyObject *self, PyObject *none UNUSED)
{
	return asgi_await_new(life_receive_step, &life.queue, self, NULL);
}

static PyObject *
life_send(PyObject *self, PyObject *message)
{
	return asgi_await_new(life_send_step, &life.queue, self, message);
}

static PyObject *
life_on_done(PyObject *self UNUSED, PyObject *task UNUSED)
{
	asgi_future_set(life.waiter);
	Py_RETURN_NONE;
}

static PyMethodDef life_methods[] = {
	{ "receive", life_receive, METH_NOARGS, NULL },
	{ "send", life_send, METH_O, NULL },
	{ "done", life_on_done, METH_O, NULL },
};

static PyObject *
life_scope(void)
{
	return Py_BuildValue("{Os,O{ssss},OO}", py_str.type, "lifespan",
	    py_str.asgi, "version", "3.0", "spec_version", "2.0",
	    py_str.state, asgi.state);
}

/* app(scope, receive, send), not begun. */
static PyObject *
life_call(void)
{
	PyObject *scope = life_scope();
	PyObject *receive = PyCFunction_New(&life_methods[0], Py_None);
	PyObject *send = PyCFunction_New(&life_methods[1], Py_None);
	PyObject *coro = NULL;

	if (scope != NULL && receive != NULL && send != NULL)
		coro = PyObject_CallFunctionObjArgs(asgi.application, scope,
		    receive, send, NULL);
	Py_XDECREF(scope);
	Py_XDECREF(receive);
	Py_XDECREF(send);
	return coro;
}

/* A task in that context; -1 with an exception set. */
static int
life_begin(PyObject *context)
{
	PyObject *coro = life_call(), *args, *kwargs, *done, *res = NULL;

	if (coro == NULL)
		return -1;
	args = Py_BuildValue("(N)", coro);
	kwargs = Py_BuildValue("{sOsO}", "loop", asgi.loop,
	    "context", context);
	if (args != NULL && kwargs != NULL)
		life.task = PyObject_Call(asgi.task_type, args, kwargs);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	done = PyCFunction_New(&life_methods[2], NULL);
	if (life.task != NULL && done != NULL)
		res = PyObject_CallMethod(life.task, "add_done_callback", "O",
		    done);
	Py_XDECREF(done);
	Py_XDECREF(res);
	return res == NULL ? -1 : 0;
}

/* Until the application has said something, or has ended. */
static int
life_wait(void)
{
	PyObject *res;

	res = PyObject_CallMethod(asgi.loop, "run_until_complete", "O",
	    life.waiter);
	Py_XDECREF(res);
	return res == NULL ? -1 : 0;
}

/* The exception of the ended task, set; false if it just returned. */
static bool
life_raised(void)
{
	PyObject *res = PyObject_CallMethod(life.task, "result", NULL);

	Py_XDECREF(res);
	return res == NULL;
}

static const char *
life_message(void)
{
	const char *text = NULL;

	if (life.message != NULL && PyUnicode_Check(life.message))
		text = PyUnicode_AsUTF8(life.message);
	PyErr_Clear();
	return text != NULL && *text != '\0' ? text : "no reason given";
}

/*
 * It has ended instead of an answer. Raising on the scope is how applications
 * say that they do not know lifespan.
 */
static int
life_ended(enum lifespan_mode mode, struct err *err)
{
	bool raised = life.task == NULL || life_raised();

	Py_CLEAR(life.task);
	Py_CLEAR(asgi.state);
	if (mode == LIFESPAN_ON) {
		if (raised)
			return py_err_trace(err, 3);
		return err_setc(err, 3,
		    "lifespan: the application returned early");
	}
	if (raised && life.asked)
		py_err_log(NULL, "lifespan.startup; serving all the same");
	else
		log_info("%sno lifespan", py_prefix());
	PyErr_Clear();
	return 0;
}

static int
life_start(enum lifespan_mode mode, PyObject *context, struct err *err)
{
	if (life_begin(context) == -1)
		return life_ended(mode, err);
	if (life_wait() == -1)
		return py_err_trace(err, 3);
	if (life.said == SAID_START_FAILED)
		return err_setc(err, 3, "lifespan.startup.failed: %s",
		    life_message());
	if (life.said == SAID_NOTHING)
		return life_ended(mode, err);
	Py_XSETREF(asgi.context, PyContext_Copy(context));
	return asgi.context == NULL ? py_err_trace(err, 3) : 0;
}

int
asgi_lifespan_start(enum lifespan_mode mode, struct err *err)
{
	PyObject *context = PyContext_CopyCurrent();
	int res;

	TAILQ_INIT(&life.queue);
	asgi.context = PyContext_CopyCurrent();
	if (context == NULL || asgi.context == NULL)
		return py_err_trace(err, 3);
	if (mode == LIFESPAN_OFF) {
		Py_DECREF(context);
		return 0;
	}
	asgi.state = PyDict_New();
	life.waiter = asgi_future_new();
	if (asgi.state == NULL || life.waiter == NULL)
		res = py_err_trace(err, 3);
	else
		res = life_start(mode, context, err);
	Py_DECREF(context);
	return res;
}

void
asgi_lifespan_stop(void)
{
	if (life.task == NULL)
		return;
	life.stopping = true;
	asgi_wake(&life.queue);
	asgi_wait_tasks(life.task, LIFESPAN_STOP);
	if (life.said == SAID_STOP_FAILED)
		log_errorx("%slifespan.shutdown.failed: %s", py_prefix(),
		    life_message());
	else if (life.said != SAID_STOPPED)
		log_warnx("%slifespan: the shutdown was not completed",
		    py_prefix());
	Py_CLEAR(life.task);
}

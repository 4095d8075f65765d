/* SPDX-License-Identifier: MIT */
/*
 * The ASGI gateway: the stock asyncio loop on our selector, and requests that
 * come out of the selector's waits.
 */
#include "python/asgi.h"

#include "base/log.h"
#include "conf/conf.h"
#include "python/asgi_lifespan.h"
#include "python/gateway.h"
#include "python/py_err.h"
#include "python/selector.h"
#include "req/req.h"

#define ASGI_END	1.0	/* seconds for what is left to end */

struct asgi_loop asgi;

static struct gateway_loop asgi_worker;

void
asgi_serve(PyObject *application)
{
	Py_INCREF(application);
	Py_XSETREF(asgi.application, application);
}

/* module.name; -1 with an exception set. */
static int
asgi_get(const char *module, const char *name, PyObject **out)
{
	PyObject *mod = PyImport_ImportModule(module);

	*out = mod != NULL ? PyObject_GetAttrString(mod, name) : NULL;
	Py_XDECREF(mod);
	return *out == NULL ? -1 : 0;
}

static bool
asgi_is_coroutine_function(PyObject *o)
{
	PyObject *is = NULL, *yes = NULL;
	bool res;

	if (o != NULL &&
	    asgi_get("inspect", "iscoroutinefunction", &is) == 0)
		yes = PyObject_CallOneArg(is, o);
	res = yes == Py_True;
	Py_XDECREF(is);
	Py_XDECREF(yes);
	PyErr_Clear();
	return res;
}

/* A coroutine function, or an object that is called as one. */
bool
asgi_is_application(PyObject *application)
{
	PyObject *call;
	bool res;

	if (asgi_is_coroutine_function(application))
		return true;
	call = PyObject_GetAttrString(application, "__call__");
	res = asgi_is_coroutine_function(call);
	Py_XDECREF(call);
	PyErr_Clear();
	return res;
}

/* Heads that got no body leave before the loop waits. */
static void
asgi_on_turn(void *arg)
{
	asgi_http_flush_held();
	if (asgi_worker.turn != NULL)
		asgi_worker.turn(arg);
}

/*
 * Whether the loop has a callback to run or a timer to look at. A batch of
 * requests that ended at once has left none, and a turn in Python is spared.
 */
static bool
asgi_has_work(void)
{
	return asgi.stopping || asgi.ready == NULL || asgi.timers == NULL ||
	    PyObject_Size(asgi.ready) != 0 ||
	    PyObject_Size(asgi.timers) != asgi.ntimers;
}

static bool
asgi_on_batch(void *arg)
{
	if (asgi.timers != NULL)
		asgi.ntimers = PyObject_Size(asgi.timers);
	asgi_worker.batch(arg);
	return asgi_has_work();
}

static int
asgi_new_loop(void)
{
	const struct selector_hooks hooks = {
		asgi_on_turn, asgi_on_batch, asgi_worker.arg
	};
	PyObject *selector = selector_new(asgi_worker.core, hooks);
	PyObject *type = NULL, *set = NULL, *res = NULL;

	if (selector != NULL &&
	    asgi_get("asyncio", "SelectorEventLoop", &type) == 0)
		asgi.loop = PyObject_CallOneArg(type, selector);
	if (asgi.loop != NULL &&
	    asgi_get("asyncio", "set_event_loop", &set) == 0)
		res = PyObject_CallOneArg(set, asgi.loop);
	Py_XDECREF(selector);
	Py_XDECREF(type);
	Py_XDECREF(set);
	Py_XDECREF(res);
	return res == NULL ? -1 : 0;
}

/* The same objects as long as the loop lives; without them: always turn. */
static void
asgi_watch_loop(void)
{
	asgi.ready = PyObject_GetAttrString(asgi.loop, "_ready");
	PyErr_Clear();
	asgi.timers = PyObject_GetAttrString(asgi.loop, "_scheduled");
	PyErr_Clear();
}

static int
asgi_init(void)
{
	PyObject *future;

	if (selector_init() == -1 || asgi_await_init() == -1 ||
	    asgi_scope_init() == -1 || asgi_req_init() == -1 ||
	    asgi_http_init() == -1 || asgi_ws_init() == -1 ||
	    asgi_host_init() == -1 || asgi_new_loop() == -1 ||
	    asgi_get("asyncio", "Task", &asgi.task_type) == -1 ||
	    asgi_get("asyncio", "CancelledError", &asgi.cancelled) == -1 ||
	    asgi_get("asyncio.tasks", "_enter_task", &asgi.enter) == -1 ||
	    asgi_get("asyncio.tasks", "_leave_task", &asgi.leave) == -1 ||
	    asgi_get("asyncio.tasks", "_register_task", &asgi.list) == -1 ||
	    asgi_get("asyncio.tasks", "_unregister_task",
	    &asgi.unlist) == -1 || asgi_get("asyncio", "Future", &future) == -1)
		return -1;
	asgi_await_serve(future, asgi.loop);
	asgi_watch_loop();
	Py_DECREF(future);
	return 0;
}

static int
asgi_open(const struct gateway_loop *loop, const struct conf_app *app,
    struct err *err)
{
	int res;

	py_enter();
	asgi_worker = *loop;
	asgi.core = loop->core;
	asgi.ws_limit = (uint64_t)app->s.ws_message_limit;
	if (asgi_init() == -1)
		res = py_err_trace(err, 3);
	else
		res = asgi_lifespan_start(
		    (enum lifespan_mode)app->s.lifespan, err);
	py_leave();
	return res;
}

static PyObject *
asgi_call_loop(const char *method)
{
	return PyObject_CallMethod(asgi.loop, method, NULL);
}

/* SystemExit of a task ends run_forever(), but not the worker. */
static void
asgi_run(void)
{
	PyObject *res;

	py_enter();
	while (!asgi.stopping) {
		if ((res = asgi_call_loop("run_forever")) == NULL)
			py_err_log(NULL, "a task");
		Py_XDECREF(res);
	}
	py_leave();
}

static void
asgi_stop(void)
{
	PyObject *res;

	asgi.stopping = true;
	if ((res = asgi_call_loop("stop")) == NULL)
		py_err_log(NULL, "the loop");
	Py_XDECREF(res);
}

static void
asgi_begin(struct req *req)
{
	bool websocket = req->params.websocket;
	struct asgi *a;

	if (websocket && !asgi_ws_open(req))
		return;
	a = asgi_req_new(req, websocket ? &asgi_websocket : &asgi_http);
	if (a != NULL && websocket && asgi_ws_start(a) == -1) {
		py_err_log(req, "the server");
		asgi_req_release(a);
		Py_CLEAR(a);
	}
	if (a == NULL) {
		py_err_log(req, "the server");
		resp_abort(req);
		req->io->finish(req);
		return;
	}
	asgi_host_run(a);
	Py_DECREF(a);
}

/* Run a coroutine to its end; what it raises is logged. Takes it. */
static void
asgi_run_until(PyObject *coro, const char *what)
{
	PyObject *res = NULL;

	if (coro != NULL)
		res = PyObject_CallMethod(asgi.loop, "run_until_complete",
		    "N", coro);
	if (res == NULL)
		py_err_log(NULL, what);
	Py_XDECREF(res);
}

void
asgi_wait_tasks(PyObject *tasks, double seconds)
{
	PyObject *wait = NULL, *args = NULL, *kwargs = NULL, *coro = NULL;

	if (PySet_Check(tasks) && PySet_GET_SIZE(tasks) == 0)
		return;
	args = PySet_Check(tasks) ? Py_BuildValue("(O)", tasks) :
	    Py_BuildValue("([O])", tasks);
	kwargs = Py_BuildValue("{sd}", "timeout", seconds);
	if (args != NULL && kwargs != NULL &&
	    asgi_get("asyncio", "wait", &wait) == 0)
		coro = PyObject_Call(wait, args, kwargs);
	Py_XDECREF(wait);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	asgi_run_until(coro, "the end of tasks");
}

/* Tasks of requests that are left hear that it is over. */
static void
asgi_end_requests(void)
{
	PyObject *tasks = asgi_host_cancel_all();

	if (tasks == NULL)
		py_err_log(NULL, "the end of requests");
	else
		asgi_wait_tasks(tasks, ASGI_END);
	Py_XDECREF(tasks);
}

/* Threads of the default executor, for a bounded time. */
static void
asgi_end_executor(void)
{
	PyObject *wait_for = NULL, *coro;

	coro = asgi_call_loop("shutdown_default_executor");
	if (coro != NULL && asgi_get("asyncio", "wait_for", &wait_for) == 0)
		coro = PyObject_CallFunction(wait_for, "Nd", coro, ASGI_END);
	Py_XDECREF(wait_for);
	asgi_run_until(coro, "the end of the executor");
}

static void
asgi_close(void)
{
	PyObject *res;

	py_enter();
	asgi_end_requests();
	asgi_lifespan_stop();
	asgi_host_retire();
	asgi_run_until(asgi_call_loop("shutdown_asyncgens"),
	    "the end of generators");
	asgi_end_executor();
	if ((res = asgi_call_loop("close")) == NULL)
		py_err_log(NULL, "the loop");
	Py_XDECREF(res);
	py_leave();
}

const struct gateway asgi_gateway = {
	.name = "asgi",
	.open = asgi_open,
	.run = asgi_run,
	.close = asgi_close,
	.begin = asgi_begin,
	.news = asgi_req_news,
	.stop = asgi_stop,
	.running = asgi_host_running
};

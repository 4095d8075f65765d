/* SPDX-License-Identifier: MIT */
/*
 * A request through a WSGI application (PEP 3333): environ in, iterable out.
 * The GIL is given up around everything that may wait for the peer.
 */
#include "python/py.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "python/gateway.h"
#include "python/py_abort.h"
#include "python/py_err.h"
#include "python/py_str.h"
#include "python/wsgi.h"
#include "python/wsgi_environ.h"
#include "python/wsgi_errors.h"
#include "python/wsgi_file.h"
#include "python/wsgi_input.h"
#include "python/wsgi_start.h"
#include "req/req.h"

#define WSGI_SMALL	32768	/* a body that is copied behind its head */
#define WSGI_BATCH	65536	/* chunks of a list are gathered to this */

static struct {
	PyObject	*application;
	PyObject	*errors;	/* wsgi.errors */
	PyObject	*context;	/* what importing the application set */
	bool		 warned_bytes;	/* this application returns bytes */
	bool		 warned_body;	/* it sends one where there is none */
} wsgi;

/* A thread of the application may log while another request runs. */
static _Thread_local struct req *wsgi_req;

struct req *
wsgi_current(void)
{
	return wsgi_req;
}

void
wsgi_serve(PyObject *application)
{
	Py_XSETREF(wsgi.application, application);
}

/* Sums up in total what a list or tuple holds, which must be bytes. */
static int
wsgi_measure(PyObject *const *items, Py_ssize_t n, size_t *total)
{
	Py_ssize_t i;

	*total = 0;
	for (i = 0; i < n; i++) {
		if (unlikely(!PyBytes_Check(items[i]))) {
			PyErr_Format(PyExc_TypeError,
			    "the body must be bytes, not %.100s",
			    Py_TYPE(items[i])->tp_name);
			return -1;
		}
		*total += (size_t)PyBytes_GET_SIZE(items[i]);
	}
	return 0;
}

/* Behind the head in its buffer, for one write of all. False: no room. */
static bool
wsgi_buffer(struct req *req, PyObject *const *items, Py_ssize_t n)
{
	Py_ssize_t i;

	for (i = 0; i < n; i++)
		if (resp_buffer(req, PyBytes_AS_STRING(items[i]),
		    (size_t)PyBytes_GET_SIZE(items[i])) == -1)
			return false;
	return true;
}

/* Chunks on their way out: the next write is put off until it is full. */
struct wsgi_batch {
	char		*mem;		/* WSGI_BATCH bytes, or NULL */
	struct str	 next;		/* in mem, or a large chunk */
};

static enum io_result
wsgi_batch_add(struct req *req, struct wsgi_batch *b, struct str chunk)
{
	bool small = b->mem != NULL && chunk.len <= WSGI_BATCH / 2;
	enum io_result res = IO_DONE;

	if (b->next.len > 0 && (!small || b->next.p != b->mem ||
	    chunk.len > WSGI_BATCH - b->next.len)) {
		res = resp_write(req, b->next.p, b->next.len);
		b->next.len = 0;
	}
	if (small) {
		memcpy(b->mem + b->next.len, chunk.p, chunk.len);
		b->next.p = b->mem;
		b->next.len += chunk.len;
	} else
		b->next = chunk;
	return res;
}

/* In as few writes as it takes. Without the GIL: items is ours. */
static void
wsgi_send_items(struct req *req, PyObject *const *items, Py_ssize_t n)
{
	struct wsgi_batch b = { n > 1 ? malloc(WSGI_BATCH) : NULL, STR("") };
	enum io_result res = IO_DONE;
	Py_ssize_t i;

	for (i = 0; i < n && res == IO_DONE; i++)
		res = wsgi_batch_add(req, &b, (struct str){
		    PyBytes_AS_STRING(items[i]),
		    (size_t)PyBytes_GET_SIZE(items[i]) });
	if (res == IO_DONE)
		resp_last(req, b.next.p, b.next.len);
	free(b.mem);
}

/* A tuple keeps the chunks while other threads may change the list. */
static int
wsgi_send_sequence(struct req *req, PyObject *sequence)
{
	PyObject *tuple = PySequence_Tuple(sequence);
	size_t total;

	if (tuple == NULL)
		return -1;
	if (wsgi_measure(&PyTuple_GET_ITEM(tuple, 0),
	    PyTuple_GET_SIZE(tuple), &total) == -1) {
		Py_DECREF(tuple);
		return -1;
	}
	Py_BEGIN_ALLOW_THREADS
	wsgi_send_items(req, &PyTuple_GET_ITEM(tuple, 0),
	    PyTuple_GET_SIZE(tuple));
	Py_END_ALLOW_THREADS
	Py_DECREF(tuple);
	return 0;
}

/* It is dropped, as is that of HEAD, which is no mistake. */
static void
wsgi_warn_body(unsigned status)
{
	if (wsgi.warned_body || (status != 204 && status != 304))
		return;
	wsgi.warned_body = true;
	log_warnx("%sthe application sends a body with status %u: dropped",
	    py_prefix(), status);
}

/* A whole body of known length: list, tuple, or the only chunk. */
static int
wsgi_respond_whole(struct req *req, struct wsgi_start *start,
    PyObject *whole, PyObject *const *items, Py_ssize_t n)
{
	size_t total;

	if (wsgi_measure(items, n, &total) == -1)
		return -1;
	if (!start->head)
		return wsgi_start_missing();
	if (req->resp.bodyless && total > 0)
		wsgi_warn_body(req->resp.status);
	if (!req->resp.head_out) {
		if (resp_length(req, total) == -1) {
			PyErr_NoMemory();
			return -1;
		}
		if (total <= WSGI_SMALL && wsgi_buffer(req, items, n))
			return 0;
	}
	return wsgi_send_sequence(req, whole);
}

/* PEP 3333 wants an iterable of bytes; uWSGI and Unit took this too. */
static int
wsgi_respond_bytes(struct req *req, struct wsgi_start *start, PyObject *bytes)
{
	PyObject *whole = PyTuple_Pack(1, bytes);
	int res;

	if (whole == NULL)
		return -1;
	if (!wsgi.warned_bytes)
		log_warnx("%sthe application returns bytes, not a list of "
		    "bytes", py_prefix());
	wsgi.warned_bytes = true;
	res = wsgi_respond_whole(req, start, whole, &bytes, 1);
	Py_DECREF(whole);
	return res;
}

/* 0: go on. 1: the rest is not wanted. -1: exception set. */
static int
wsgi_send_chunk(struct req *req, struct wsgi_start *start, PyObject *chunk)
{
	enum io_result res;
	size_t len;

	if (wsgi_measure(&chunk, 1, &len) == -1)
		return -1;
	if (len == 0)
		return 0;
	if (!start->head)
		return wsgi_start_missing();
	if (req->resp.bodyless) {
		wsgi_warn_body(req->resp.status);
		return 1;
	}
	Py_BEGIN_ALLOW_THREADS
	res = resp_write(req, PyBytes_AS_STRING(chunk), len);
	Py_END_ALLOW_THREADS
	return res != IO_DONE || req->resp.cut;
}

/*
 * Each chunk is with the kernel before the next is asked for. The application
 * may call start_response as late as while it makes the first one.
 */
static int
wsgi_respond_iter(struct req *req, struct wsgi_start *start, PyObject *result)
{
	PyObject *it, *chunk;
	int res = 0;

	if ((it = PyObject_GetIter(result)) == NULL)
		return -1;
	while (res == 0 && (chunk = PyIter_Next(it)) != NULL) {
		res = wsgi_send_chunk(req, start, chunk);
		Py_DECREF(chunk);
	}
	Py_DECREF(it);
	if (res == -1 || PyErr_Occurred() != NULL)
		return -1;
	return start->head ? 0 : wsgi_start_missing();
}

/* Not past what was declared, not where there is no body. */
static int
wsgi_respond_file(struct req *req, struct wsgi_start *start, int fd,
    int64_t at, uint64_t left)
{
	const struct resp *r = &req->resp;

	if (!start->head)
		return wsgi_start_missing();
	if (r->declared != -1 && (uint64_t)r->declared - r->body < left)
		left = (uint64_t)r->declared - r->body;
	if (r->bodyless || left == 0)
		return 0;
	Py_BEGIN_ALLOW_THREADS
	if (resp_sendfile(req, fd, &at, left) == IO_DONE)
		resp_end(req);
	Py_END_ALLOW_THREADS
	return 0;
}

static int
wsgi_respond(struct req *req, struct wsgi_start *start, PyObject *result)
{
	uint64_t left;
	int64_t at;
	int fd;

	if (PyList_CheckExact(result))
		return wsgi_respond_whole(req, start, result,
		    ((PyListObject *)result)->ob_item,
		    PyList_GET_SIZE(result));
	if (PyTuple_CheckExact(result))
		return wsgi_respond_whole(req, start, result,
		    ((PyTupleObject *)result)->ob_item,
		    PyTuple_GET_SIZE(result));
	if (PyBytes_Check(result))
		return wsgi_respond_bytes(req, start, result);
	if (PyUnicode_Check(result)) {
		PyErr_SetString(PyExc_TypeError,
		    "the body must be an iterable of bytes, not str");
		return -1;
	}
	if (wsgi_file_is_plain(result, &fd, &at, &left))
		return wsgi_respond_file(req, start, fd, at, left);
	return wsgi_respond_iter(req, start, result);
}

/*
 * The exception that is set ends the request. Who writes to a client that has
 * left gets an OSError from us: that one is no news, and neither is the one
 * raised at the deadline.
 */
static void
wsgi_fail(struct req *req)
{
	if ((req->resp.gone && PyErr_ExceptionMatches(PyExc_OSError)) ||
	    py_abort_is_ours(req->run))
		PyErr_Clear();
	else
		py_err_log(req, "the application");
	Py_BEGIN_ALLOW_THREADS
	resp_abort(req);
	Py_END_ALLOW_THREADS
}

/* What goes wrong in close() is only told. */
static void
wsgi_fail_close(struct req *req)
{
	if (py_abort_is_ours(req->run))
		PyErr_Clear();
	else
		py_err_log(req, "close()");
}

/* Once, on every way out, when the last byte is with the kernel. */
static void
wsgi_close(struct req *req, PyObject *result)
{
	PyObject *close, *res;

	if (PyList_CheckExact(result) || PyTuple_CheckExact(result) ||
	    PyBytes_Check(result))
		return;
	if ((close = PyObject_GetAttr(result, py_str.close)) == NULL) {
		if (PyErr_ExceptionMatches(PyExc_AttributeError))
			PyErr_Clear();
		else
			wsgi_fail_close(req);
		return;
	}
	Py_BEGIN_ALLOW_THREADS
	resp_end(req);
	Py_END_ALLOW_THREADS
	if ((res = PyObject_CallNoArgs(close)) == NULL)
		wsgi_fail_close(req);
	Py_XDECREF(res);
	Py_DECREF(close);
}

/* The application itself, from environ to close(). */
static void
wsgi_run(struct req *req, struct wsgi_start *start, PyObject *input)
{
	PyObject *args[3] = { NULL }, *result = NULL;

	/* args[0] is for the callee: a bound method puts self there. */
	if ((args[1] = wsgi_environ_new(req, input)) != NULL) {
		args[2] = (PyObject *)start;
		result = PyObject_Vectorcall(wsgi.application, args + 1,
		    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	}
	if (result == NULL || wsgi_respond(req, start, result) == -1)
		wsgi_fail(req);
	if (result != NULL)
		wsgi_close(req, result);
	Py_XDECREF(result);
	Py_XDECREF(args[1]);
}

/*
 * In a context of its own, so that no variable leaks into the next request. In
 * every thread it begins as the one the application was imported in.
 */
static void
wsgi_run_in_context(struct req *req, struct wsgi_start *start,
    PyObject *input)
{
	PyObject *context = PyContext_Copy(wsgi.context);

	if (context == NULL || PyContext_Enter(context) == -1) {
		wsgi_fail(req);
	} else {
		wsgi_run(req, start, input);
		if (PyContext_Exit(context) == -1)
			py_err_log(req, "the end of the request");
	}
	Py_XDECREF(context);
}

/* With the GIL, and this request as the thread's. */
static void
wsgi_serve_request(struct req *req)
{
	struct wsgi_start *start = wsgi_start_new(req);
	PyObject *input = NULL;

	if (start != NULL)
		input = wsgi_input_new(&req->body);
	if (input != NULL) {
		wsgi_run_in_context(req, start, input);
		wsgi_input_free(input);
	} else
		wsgi_fail(req);
	if (start != NULL)
		wsgi_start_free(start);
	wsgi_errors_flush();
}

static void
wsgi_call(struct req *req)
{
	py_enter();
	req->entered_ns = clock_ns();
	wsgi_req = req;
	if (likely(py_abort_enter(req->run))) {
		wsgi_serve_request(req);
		py_abort_leave(req->run);
	}
	wsgi_req = NULL;
	py_leave();
	resp_end(req);
}

int
wsgi_init(void)
{
	if (wsgi_start_init() == -1 || wsgi_input_init() == -1 ||
	    wsgi_file_init() == -1 || wsgi_errors_init() == -1)
		return -1;
	wsgi.errors = wsgi_errors_new(LOG_ERROR_);
	return wsgi.errors == NULL ? -1 : 0;
}

int
wsgi_init_worker(const struct py_worker *w)
{
	Py_XSETREF(wsgi.context, PyContext_CopyCurrent());
	if (wsgi.context == NULL)
		return -1;
	return wsgi_environ_init(wsgi.errors, w);
}

const struct gateway wsgi_gateway = {
	.name = "wsgi",
	.call = wsgi_call
};

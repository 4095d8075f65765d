/* SPDX-License-Identifier: MIT */
/*
 * start_response() and write(). Both are objects with a vectorcall, and a pair
 * that nobody kept serves the next request, so the usual call allocates
 * nothing.
 */
#include "python/py.h"

#include <structmember.h>

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "python/py_str.h"
#include "python/wsgi_start.h"
#include "req/req.h"

#define WARNED_MAX	16
#define WARNED_NAME	24	/* longer than every header of the hop */

/* write(): owns the start_response that returned it. */
struct wsgi_write {
	PyObject_HEAD
	vectorcallfunc	 call;
	struct wsgi_start *start;
};

static struct {
	PyTypeObject	*start, *write;
	struct wsgi_write *spare;	/* a pair nobody uses, or NULL */
	/* Headers of the hop that this application was told about. */
	char		 warned[WARNED_MAX][WARNED_NAME];
	size_t		 nwarned;
} starts;

/* Text in latin-1, which is how such a str is kept. False: it is not. */
static bool
start_latin1(PyObject *text, struct str *out)
{
	if (PyUnicode_READY(text) == -1)
		return false;
	if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
		PyErr_SetString(PyExc_ValueError,
		    "status and headers must be latin-1");
		return false;
	}
	out->p = (const char *)PyUnicode_1BYTE_DATA(text);
	out->len = (size_t)PyUnicode_GET_LENGTH(text);
	return true;
}

static bool
start_text(PyObject *o, const char *what, struct str *out)
{
	if (likely(PyUnicode_Check(o)))
		return start_latin1(o, out);
	PyErr_Format(PyExc_TypeError, "%s must be a str, not %.100s", what,
	    Py_TYPE(o)->tp_name);
	return false;
}

/* One line a name and application: what it asks for is not its to ask. */
static void
start_warn_hop(struct str name)
{
	size_t i;

	for (i = 0; i < starts.nwarned; i++)
		if (str_caseeq(name, (struct str){ starts.warned[i],
		    strlen(starts.warned[i]) }))
			return;
	if (i == WARNED_MAX || name.len >= WARNED_NAME)
		return;
	memcpy(starts.warned[i], name.p, name.len);
	starts.nwarned++;
	log_warnx("%sheader %.*s of the application is dropped: connections "
	    "are the proxy's", py_prefix(), (int)name.len, name.p);
}

static int
start_header(struct req *req, PyObject *pair)
{
	struct str name, value;
	const char *why;
	int res;

	if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
		PyErr_SetString(PyExc_TypeError,
		    "a header must be a tuple (name, value)");
		return -1;
	}
	if (!start_text(PyTuple_GET_ITEM(pair, 0), "a header's name", &name) ||
	    !start_text(PyTuple_GET_ITEM(pair, 1), "a header's value", &value))
		return -1;
	if ((res = resp_header(req, name, value, &why)) == -1)
		PyErr_Format(PyExc_ValueError, "%s: %R", why, pair);
	else if (res == 1)
		start_warn_hop(name);
	return res == -1 ? -1 : 0;
}

/* Everything is looked at before a byte of it can leave (R14). */
static int
start_head(struct wsgi_start *s, PyObject *status, PyObject *headers)
{
	const char *why;
	struct str text;
	Py_ssize_t i;

	if (!start_text(status, "status", &text))
		return -1;
	if (!PyList_CheckExact(headers)) {
		PyErr_Format(PyExc_TypeError,
		    "headers must be a list, not %.100s",
		    Py_TYPE(headers)->tp_name);
		return -1;
	}
	if (resp_start(s->req, text, &why) == -1) {
		PyErr_Format(PyExc_ValueError, "%s: %R", why, status);
		return -1;
	}
	for (i = 0; i < PyList_GET_SIZE(headers); i++)
		if (start_header(s->req, PyList_GET_ITEM(headers, i)) == -1)
			return -1;
	return 0;
}

/* The head is out: the application's own exception goes on its way. */
static void
start_reraise(PyObject *exc_info)
{
	PyObject *type = PyTuple_GET_ITEM(exc_info, 0);
	PyObject *value = PyTuple_GET_ITEM(exc_info, 1);
	PyObject *trace = PyTuple_GET_ITEM(exc_info, 2);

	if (!PyExceptionInstance_Check(value) || !(trace == Py_None ||
	    PyTraceBack_Check(trace))) {
		PyErr_SetString(PyExc_TypeError,
		    "exc_info must be what sys.exc_info() returns");
		return;
	}
	Py_INCREF(type);
	Py_INCREF(value);
	if (trace == Py_None)
		trace = NULL;
	Py_XINCREF(trace);
	PyErr_Restore(type, value, trace);
}

/* Whether a call may be made now; every one counts, also one refused later. */
static int
start_allow(struct wsgi_start *s, PyObject *exc_info)
{
	bool again = s->called;

	if (s->req == NULL) {
		PyErr_SetString(PyExc_RuntimeError,
		    "start_response() called after the end of its request");
		return -1;
	}
	s->called = true;
	if (exc_info == NULL || exc_info == Py_None) {
		if (again)
			PyErr_SetString(PyExc_AssertionError,
			    "start_response() called again without exc_info");
		return again ? -1 : 0;
	}
	if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
		PyErr_SetString(PyExc_TypeError,
		    "exc_info must be what sys.exc_info() returns");
		return -1;
	}
	if (s->req->resp.head_out) {
		start_reraise(exc_info);
		return -1;
	}
	return 0;
}

/* The third argument, by place or by name. */
static int
start_args(PyObject *const *args, Py_ssize_t n, PyObject *names,
    PyObject **exc_info)
{
	Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);

	*exc_info = NULL;
	if (n + named > 2)
		*exc_info = args[2];
	if (n >= 2 && n + named <= 3 && (named == 0 || PyUnicode_Compare(
	    PyTuple_GET_ITEM(names, 0), py_str.exc_info) == 0))
		return 0;
	PyErr_SetString(PyExc_TypeError,
	    "call it as start_response(status, headers, exc_info=None)");
	return -1;
}

static PyObject *
start_call(PyObject *self, PyObject *const *args, size_t nargsf,
    PyObject *names)
{
	struct wsgi_start *s = (struct wsgi_start *)self;
	PyObject *exc_info;

	if (start_args(args, PyVectorcall_NARGS(nargsf), names,
	    &exc_info) == -1 || start_allow(s, exc_info) == -1)
		return NULL;
	s->head = false;
	if (start_head(s, args[0], args[1]) == -1)
		return NULL;
	s->head = true;
	Py_INCREF(s->write);
	return s->write;
}

/* Send what write() was given; -1 with an exception set. */
static int
start_write(struct wsgi_start *s, PyObject *data)
{
	struct req *req = s->req;
	enum io_result res;

	Py_BEGIN_ALLOW_THREADS
	res = resp_write(req, PyBytes_AS_STRING(data),
	    (size_t)PyBytes_GET_SIZE(data));
	Py_END_ALLOW_THREADS
	if (res != IO_DONE) {
		errno = EPIPE;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (req->resp.cut) {
		PyErr_SetString(PyExc_ValueError,
		    "write() past the Content-Length of the response");
		return -1;
	}
	return 0;
}

static PyObject *
write_call(PyObject *self, PyObject *const *args, size_t nargsf,
    PyObject *names)
{
	struct wsgi_start *s = ((struct wsgi_write *)self)->start;

	if (PyVectorcall_NARGS(nargsf) != 1 || names != NULL ||
	    !PyBytes_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "write() takes bytes");
		return NULL;
	}
	if (s->req == NULL) {
		PyErr_SetString(PyExc_RuntimeError,
		    "write() called after the end of its request");
		return NULL;
	}
	if (!s->head) {
		wsgi_start_missing();
		return NULL;
	}
	if (start_write(s, args[0]) == -1)
		return NULL;
	Py_RETURN_NONE;
}

int
wsgi_start_missing(void)
{
	PyErr_SetString(PyExc_AssertionError,
	    "no valid start_response() before the body");
	return -1;
}

static void
start_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	type->tp_free(self);
	Py_DECREF(type);
}

static void
write_dealloc(PyObject *self)
{
	struct wsgi_write *w = (struct wsgi_write *)self;

	if (w->start != NULL)
		w->start->write = NULL;
	Py_CLEAR(w->start);
	start_dealloc(self);
}

static PyMemberDef start_members[] = {
	{ "__vectorcalloffset__", T_PYSSIZET,
	    offsetof(struct wsgi_start, call), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyMemberDef write_members[] = {
	{ "__vectorcalloffset__", T_PYSSIZET,
	    offsetof(struct wsgi_write, call), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot start_slots[] = {
	{ Py_tp_dealloc, start_dealloc },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, start_members },
	{ 0, NULL }
};

static PyType_Slot write_slots[] = {
	{ Py_tp_dealloc, write_dealloc },
	{ Py_tp_call, PyVectorcall_Call },
	{ Py_tp_members, write_members },
	{ 0, NULL }
};

#define START_FLAGS	(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | \
			 Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec start_spec = {
	.name = "saola.start_response",
	.basicsize = sizeof(struct wsgi_start),
	.flags = START_FLAGS,
	.slots = start_slots
};

static PyType_Spec write_spec = {
	.name = "saola.write",
	.basicsize = sizeof(struct wsgi_write),
	.flags = START_FLAGS,
	.slots = write_slots
};

int
wsgi_start_init(void)
{
	starts.start = (PyTypeObject *)PyType_FromSpec(&start_spec);
	starts.write = (PyTypeObject *)PyType_FromSpec(&write_spec);
	return starts.start == NULL || starts.write == NULL ? -1 : 0;
}

static struct wsgi_write *
start_new_pair(void)
{
	struct wsgi_write *w = PyObject_New(struct wsgi_write, starts.write);

	if (w == NULL)
		return NULL;
	w->call = write_call;
	w->start = PyObject_New(struct wsgi_start, starts.start);
	if (w->start == NULL) {
		Py_DECREF(w);
		return NULL;
	}
	w->start->call = start_call;
	w->start->write = (PyObject *)w;
	return w;
}

struct wsgi_start *
wsgi_start_new(struct req *req)
{
	struct wsgi_write *w = starts.spare;

	starts.spare = NULL;
	if (w == NULL && (w = start_new_pair()) == NULL)
		return NULL;
	w->start->req = req;
	w->start->called = w->start->head = false;
	return w->start;
}

/* The reference that wsgi_start_new gave out is the one to the pair. */
void
wsgi_start_free(struct wsgi_start *s)
{
	PyObject *w = s->write;

	s->req = NULL;
	if (starts.spare == NULL && Py_REFCNT(w) == 1 && Py_REFCNT(s) == 1)
		starts.spare = (struct wsgi_write *)w;
	else
		Py_DECREF(w);
}

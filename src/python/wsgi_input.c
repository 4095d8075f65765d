/* SPDX-License-Identifier: MIT */
/*
 * wsgi.input: what arrived of the body, with the methods and the sizes of a
 * file. Reading costs linear time: lines are looked for where the bytes lie,
 * in the body's memory or in a piece of its file that is read ahead.
 */
#include "python/py.h"

#include <errno.h>
#include <stdbool.h>

#include "python/wsgi_input.h"
#include "req/body.h"

#define INPUT_AHEAD	65536
#define INPUT_LINE	256	/* room for a line that goes on */
#define INPUT_ADOPT	65536	/* a body that is not copied */

struct wsgi_input {
	PyObject_HEAD
	struct body	*body;		/* NULL: over */
	bool		 busy;		/* a thread reads the file */
	char		*ahead;		/* of the file, NULL until needed */
	uint64_t	 ahead_at;	/* where in the body it begins */
	size_t		 ahead_len;
};

static struct {
	PyTypeObject	*type;
	struct wsgi_input *spare;	/* one nobody uses, or NULL */
} inputs;

/* Whether it may be read; the exception is set if not. */
static bool
input_is_open(const struct wsgi_input *in)
{
	if (in->body == NULL)
		PyErr_SetString(PyExc_ValueError,
		    "wsgi.input read after the end of its request");
	else if (in->busy)
		PyErr_SetString(PyExc_RuntimeError,
		    "wsgi.input read by two threads");
	else
		return true;
	return false;
}

/* Read into memory that nobody else sees yet. -1 with an exception set. */
static ssize_t
input_fill(struct wsgi_input *in, char *to, size_t n)
{
	struct body *b = in->body;
	ssize_t got;

	if (b->at + n <= b->in_mem)
		return body_read(b, to, n);
	/* The file may make us wait. */
	in->busy = true;
	Py_BEGIN_ALLOW_THREADS
	got = body_read(b, to, n);
	Py_END_ALLOW_THREADS
	in->busy = false;
	if (got == -1)
		PyErr_SetFromErrno(PyExc_OSError);
	return got;
}

/* An argument that is a size: absent, None and negative mean all. */
static int
input_size(PyObject *const *args, Py_ssize_t nargs, size_t *size)
{
	Py_ssize_t n = -1;

	if (nargs > 1) {
		PyErr_SetString(PyExc_TypeError, "expected one size at most");
		return -1;
	}
	if (nargs == 1 && args[0] != Py_None) {
		n = PyNumber_AsSsize_t(args[0], NULL);
		if (n == -1 && PyErr_Occurred() != NULL)
			return -1;
	}
	*size = n < 0 ? SIZE_MAX : (size_t)n;
	return 0;
}

/*
 * The whole of a large body without copying it: the memory it arrived in becomes
 * the object. bytes of this size are malloc's, unless the allocator is one that
 * debugs or traces and so has a context. NULL without an exception: read it.
 */
static PyObject *
input_adopt(struct body *b)
{
	PyMemAllocatorEx allocator;
	PyBytesObject *bytes;
	size_t n;

	_Static_assert(offsetof(PyBytesObject, ob_sval) == BODY_FRONT,
	    "bytes fit around a body");
	PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &allocator);
	if (allocator.ctx != NULL || (bytes = body_give(b, &n)) == NULL)
		return NULL;
	PyObject_InitVar((PyVarObject *)bytes, &PyBytes_Type, (Py_ssize_t)n);
_Py_COMP_DIAG_PUSH
_Py_COMP_DIAG_IGNORE_DEPR_DECLS
	bytes->ob_shash = -1;
_Py_COMP_DIAG_POP
	bytes->ob_sval[n] = '\0';
	return (PyObject *)bytes;
}

static PyObject *
input_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
	struct wsgi_input *in = (struct wsgi_input *)self;
	PyObject *bytes;
	size_t n;
	ssize_t got;

	if (!input_is_open(in) || input_size(args, nargs, &n) == -1)
		return NULL;
	if (n > body_left(in->body))
		n = (size_t)body_left(in->body);
	if (n >= INPUT_ADOPT && n == body_left(in->body) &&
	    (bytes = input_adopt(in->body)) != NULL)
		return bytes;
	bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
	if (bytes == NULL || n == 0)
		return bytes;
	if ((got = input_fill(in, PyBytes_AS_STRING(bytes), n)) == -1)
		Py_CLEAR(bytes);
	else if ((size_t)got < n)
		_PyBytes_Resize(&bytes, got);
	return bytes;
}

/* Make ahead hold the bytes at the reading position. */
static int
input_look_ahead(struct wsgi_input *in)
{
	uint64_t at = in->body->at;
	ssize_t got;

	if (in->ahead == NULL &&
	    (in->ahead = PyMem_Malloc(INPUT_AHEAD)) == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	in->ahead_len = 0;
	if ((got = input_fill(in, in->ahead, INPUT_AHEAD)) == -1)
		return -1;
	in->ahead_at = in->body->at = at;
	in->ahead_len = (size_t)got;
	return 0;
}

/* The next bytes, where they lie; *n is 0 at the end. -1: exception set. */
static int
input_view(struct wsgi_input *in, const char **p, size_t *n)
{
	struct body *b = in->body;

	if ((*p = body_peek(b, n)) != NULL || body_left(b) == 0)
		return 0;
	if ((b->at < in->ahead_at || b->at >= in->ahead_at + in->ahead_len) &&
	    input_look_ahead(in) == -1)
		return -1;
	*p = in->ahead + (b->at - in->ahead_at);
	*n = in->ahead_len - (size_t)(b->at - in->ahead_at);
	return 0;
}

/* Add n bytes to a line of *len, whose room doubles. */
static int
input_append(PyObject **line, size_t *len, const char *p, size_t n)
{
	size_t room = *line == NULL ? 0 : (size_t)PyBytes_GET_SIZE(*line);

	if (*line == NULL)
		*line = PyBytes_FromStringAndSize(NULL,
		    (Py_ssize_t)(n + INPUT_LINE));
	else if (room - *len < n)
		_PyBytes_Resize(line, (Py_ssize_t)(2 * room + n));
	if (*line == NULL)
		return -1;
	memcpy(PyBytes_AS_STRING(*line) + *len, p, n);
	*len += n;
	return 0;
}

/*
 * How much of the next n bytes at p belongs to a line of at most size more:
 * up to and with the newline, which sets *end.
 */
static size_t
input_line_part(const char *p, size_t n, size_t size, bool *end)
{
	const char *newline;

	if (n > size)
		n = size;
	if ((newline = memchr(p, '\n', n)) != NULL)
		n = (size_t)(newline - p) + 1;
	*end = newline != NULL || n == size;
	return n;
}

/* A line of at most size bytes, b"" at the end. */
static PyObject *
input_line(struct wsgi_input *in, size_t size)
{
	PyObject *line = NULL;
	const char *p;
	size_t n, len = 0;
	bool end;

	for (;;) {
		if (input_view(in, &p, &n) == -1) {
			Py_XDECREF(line);
			return NULL;
		}
		if (n == 0)
			break;
		n = input_line_part(p, n, size - len, &end);
		in->body->at += n;
		/* Nearly always it is whole. */
		if (len == 0 && (end || body_left(in->body) == 0))
			return PyBytes_FromStringAndSize(p, (Py_ssize_t)n);
		if (input_append(&line, &len, p, n) == -1)
			return NULL;
		if (end)
			break;
	}
	if (line == NULL)
		return PyBytes_FromStringAndSize(NULL, 0);
	_PyBytes_Resize(&line, (Py_ssize_t)len);
	return line;
}

static PyObject *
input_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
	struct wsgi_input *in = (struct wsgi_input *)self;
	size_t size;

	if (!input_is_open(in) || input_size(args, nargs, &size) == -1)
		return NULL;
	return input_line(in, size);
}

static PyObject *
input_next(PyObject *self)
{
	struct wsgi_input *in = (struct wsgi_input *)self;

	if (!input_is_open(in) || body_left(in->body) == 0)
		return NULL;
	return input_line(in, SIZE_MAX);
}

/* A hint stops after the line that reaches it; 0 is none, as for files. */
static PyObject *
input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
	PyObject *lines, *line;
	size_t hint, total = 0;
	int res = 0;

	if (input_size(args, nargs, &hint) == -1 ||
	    (lines = PyList_New(0)) == NULL)
		return NULL;
	while (res == 0 && (hint == 0 || total < hint) &&
	    (line = input_next(self)) != NULL) {
		total += (size_t)PyBytes_GET_SIZE(line);
		res = PyList_Append(lines, line);
		Py_DECREF(line);
	}
	if (PyErr_Occurred() != NULL)
		Py_CLEAR(lines);
	return lines;
}

static void
input_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyMem_Free(((struct wsgi_input *)self)->ahead);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef input_methods[] = {
	{ "read", PY_METHOD(input_read), METH_FASTCALL, NULL },
	{ "readline", PY_METHOD(input_readline), METH_FASTCALL, NULL },
	{ "readlines", PY_METHOD(input_readlines), METH_FASTCALL, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot input_slots[] = {
	{ Py_tp_dealloc, input_dealloc },
	{ Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, input_next },
	{ Py_tp_methods, input_methods },
	{ 0, NULL }
};

static PyType_Spec input_spec = {
	.name = "saola.input",
	.basicsize = sizeof(struct wsgi_input),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = input_slots
};

int
wsgi_input_init(void)
{
	inputs.type = (PyTypeObject *)PyType_FromSpec(&input_spec);
	return inputs.type == NULL ? -1 : 0;
}

PyObject *
wsgi_input_new(struct body *body)
{
	struct wsgi_input *in = inputs.spare;

	inputs.spare = NULL;
	if (in == NULL) {
		in = PyObject_New(struct wsgi_input, inputs.type);
		if (in == NULL)
			return NULL;
		in->ahead = NULL;
	}
	in->body = body;
	in->busy = false;
	in->ahead_at = in->ahead_len = 0;
	return (PyObject *)in;
}

void
wsgi_input_free(PyObject *self)
{
	struct wsgi_input *in = (struct wsgi_input *)self;

	in->body = NULL;
	PyMem_Free(in->ahead);
	in->ahead = NULL;
	if (inputs.spare == NULL && Py_REFCNT(in) == 1)
		inputs.spare = in;
	else
		Py_DECREF(in);
}

/* SPDX-License-Identifier: MIT */
/*
 * A text stream into the error log. It takes any str, and neither an encoding
 * nor a full log makes it fail; whole lines are logged, with the application
 * and the request that wrote them.
 */
#include "python/py.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "python/wsgi.h"
#include "python/wsgi_errors.h"
#include "req/req.h"

#define ERRORS_LINE	65536	/* longest line that is waited for */

#define ERRORS_MAX	3	/* streams: wsgi.errors, stdout, stderr */

/* The beginning of a line that the running request has written. */
struct errors_line {
	enum log_level	 level;
	struct buf	 text;
};
static _Thread_local struct errors_line errors_lines[ERRORS_MAX];

struct errors {
	PyObject_HEAD
	size_t		 number;	/* of errors_lines */
	struct errors_line line;	/* outside of requests */
};

static PyTypeObject *errors_type;
static size_t errors_count;

static void
errors_log(const struct errors_line *l, const char *text, size_t len)
{
	struct req *req = wsgi_current();
	char prefix[512], line[300];

	if (req != NULL)
		resp_stderr(req, text, len);
	if (req != NULL)
		snprintf(prefix, sizeof(prefix), "%s%s: ", py_prefix(),
		    req_line(req, line, sizeof(line)));
	else
		snprintf(prefix, sizeof(prefix), "%s", py_prefix());
	log_block(l->level, prefix, text, len);
}

/* Requests of several threads do not write into each other's lines. */
static struct errors_line *
errors_line(struct errors *e)
{
	struct errors_line *l = &errors_lines[e->number];

	if (wsgi_current() == NULL)
		return &e->line;
	if (l->text.max == 0)
		buf_init(&l->text, ERRORS_LINE);
	l->level = e->line.level;
	return l;
}

/* What has gathered, in the log. */
static void
errors_flush(struct errors_line *l)
{
	if (buf_len(&l->text) > 0)
		errors_log(l, buf_head(&l->text), buf_len(&l->text));
	buf_clear(&l->text);
}

/* Keep it until its line ends; one that is too long does not wait. */
static void
errors_keep(struct errors_line *l, const char *text, size_t len)
{
	if (buf_add(&l->text, text, len) == 0)
		return;
	errors_flush(l);
	errors_log(l, text, len);
}

/* The line begun first, then whole ones, and what is left waits. */
static void
errors_add(struct errors_line *l, const char *text, size_t len)
{
	const char *last = memrchr(text, '\n', len), *at = text;

	if (last != NULL && buf_len(&l->text) > 0) {
		at = (const char *)memchr(text, '\n', len) + 1;
		errors_keep(l, text, (size_t)(at - text));
		errors_flush(l);
	}
	if (last != NULL && at <= last) {
		errors_log(l, at, (size_t)(last + 1 - at));
		at = last + 1;
	}
	if (at < text + len)
		errors_keep(l, at, (size_t)(text + len - at));
}

static PyObject *
errors_write(PyObject *self, PyObject *text)
{
	PyObject *bytes;

	if (!PyUnicode_Check(text)) {
		PyErr_Format(PyExc_TypeError,
		    "write() argument must be str, not %.100s",
		    Py_TYPE(text)->tp_name);
		return NULL;
	}
	bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
	if (bytes == NULL)
		return NULL;
	errors_add(errors_line((struct errors *)self),
	    PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
	Py_DECREF(bytes);
	return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *
errors_writelines(PyObject *self, PyObject *lines)
{
	PyObject *it, *line, *n = Py_None;

	if ((it = PyObject_GetIter(lines)) == NULL)
		return NULL;
	while (n != NULL && (line = PyIter_Next(it)) != NULL) {
		if ((n = errors_write(self, line)) != NULL)
			Py_DECREF(n);
		Py_DECREF(line);
	}
	Py_DECREF(it);
	if (PyErr_Occurred() != NULL)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
errors_flush_method(PyObject *self, PyObject *none UNUSED)
{
	errors_flush(errors_line((struct errors *)self));
	Py_RETURN_NONE;
}

static PyObject *
errors_true(PyObject *self UNUSED, PyObject *none UNUSED)
{
	Py_RETURN_TRUE;
}

static PyObject *
errors_false(PyObject *self UNUSED, PyObject *none UNUSED)
{
	Py_RETURN_FALSE;
}

static PyObject *
errors_text(PyObject *self UNUSED, void *text)
{
	return PyUnicode_FromString(text);
}

static void
errors_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	buf_fini(&((struct errors *)self)->line.text);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef errors_methods[] = {
	{ "write", errors_write, METH_O, NULL },
	{ "writelines", errors_writelines, METH_O, NULL },
	{ "flush", errors_flush_method, METH_NOARGS, NULL },
	{ "writable", errors_true, METH_NOARGS, NULL },
	{ "readable", errors_false, METH_NOARGS, NULL },
	{ "seekable", errors_false, METH_NOARGS, NULL },
	{ "isatty", errors_false, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static char errors_utf8[] = "utf-8", errors_replace[] = "backslashreplace";

static PyGetSetDef errors_getset[] = {
	{ "encoding", errors_text, NULL, NULL, errors_utf8 },
	{ "errors", errors_text, NULL, NULL, errors_replace },
	{ NULL, NULL, NULL, NULL, NULL }
};

static PyType_Slot errors_slots[] = {
	{ Py_tp_dealloc, errors_dealloc },
	{ Py_tp_methods, errors_methods },
	{ Py_tp_getset, errors_getset },
	{ 0, NULL }
};

static PyType_Spec errors_spec = {
	.name = "saola.errors",
	.basicsize = sizeof(struct errors),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = errors_slots
};

int
wsgi_errors_init(void)
{
	errors_type = (PyTypeObject *)PyType_FromSpec(&errors_spec);
	return errors_type == NULL ? -1 : 0;
}

PyObject *
wsgi_errors_new(enum log_level level)
{
	struct errors *e = PyObject_New(struct errors, errors_type);

	if (e == NULL)
		return NULL;
	e->number = errors_count++ % ERRORS_MAX;
	e->line.level = level;
	buf_init(&e->line.text, ERRORS_LINE);
	return (PyObject *)e;
}

void
wsgi_errors_flush(void)
{
	struct errors_line *l;

	for (l = errors_lines; l < errors_lines + ERRORS_MAX; l++) {
		if (likely(l->text.data == NULL))
			continue;
		errors_flush(l);
		buf_fini(&l->text);
	}
}

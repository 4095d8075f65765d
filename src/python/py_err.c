/* SPDX-License-Identifier: MIT */
/*
 * Exceptions as text. Tracebacks are printed by the interpreter itself into a
 * StringIO: that needs no import, so it works when the application is out of
 * stack or memory. Not in place of sys.stderr, which other threads have too.
 */
#include "python/py.h"

#include <string.h>

#include "base/log.h"
#include "python/py_err.h"
#include "req/req.h"

/* PyErr_Display to a file of ours: exported by Python 3.8 to 3.12. */
PyAPI_FUNC(void) _PyErr_Display(PyObject *file, PyObject *type,
    PyObject *value, PyObject *trace);

/* An exception that was taken out of the thread. */
struct py_exc {
	PyObject	*type, *value, *trace;
};

static void
py_exc_take(struct py_exc *e)
{
	PyErr_Fetch(&e->type, &e->value, &e->trace);
	PyErr_NormalizeException(&e->type, &e->value, &e->trace);
	if (e->trace != NULL && e->value != NULL)
		PyException_SetTraceback(e->value, e->trace);
}

static void
py_exc_free(struct py_exc *e)
{
	Py_CLEAR(e->type);
	Py_CLEAR(e->value);
	Py_CLEAR(e->trace);
}

static PyObject *
py_exc_new_file(void)
{
	PyObject *io, *file = NULL;

	if ((io = PyImport_ImportModule("io")) != NULL)
		file = PyObject_CallMethod(io, "StringIO", NULL);
	Py_XDECREF(io);
	return file;
}

/* What the interpreter prints of it, behind head. New str, or NULL. */
static PyObject *
py_exc_print(const struct py_exc *e, const char *head)
{
	PyObject *file, *text;

	if ((file = py_exc_new_file()) == NULL)
		return NULL;
	PyFile_WriteString(head, file);
	_PyErr_Display(file, e->type, e->value, e->trace);
	text = PyObject_CallMethod(file, "getvalue", NULL);
	Py_DECREF(file);
	return text;
}

/* Any text to bytes a log can take. New bytes, or NULL; takes text. */
static PyObject *
py_exc_encode(PyObject *text)
{
	PyObject *bytes = NULL;

	if (text != NULL)
		bytes = PyUnicode_AsEncodedString(text, "utf-8",
		    "backslashreplace");
	Py_XDECREF(text);
	return bytes;
}

/* "KeyError: 'x'", its first line. */
static void
py_exc_sentence(const struct py_exc *e, char *out, size_t size)
{
	const char *name = ((PyTypeObject *)e->type)->tp_name, *dot;
	PyObject *bytes;

	if ((dot = strrchr(name, '.')) != NULL)
		name = dot + 1;
	bytes = py_exc_encode(PyObject_Str(e->value));
	if (bytes == NULL || PyBytes_GET_SIZE(bytes) == 0)
		snprintf(out, size, "%s", name);
	else
		snprintf(out, size, "%s: %s", name, PyBytes_AS_STRING(bytes));
	out[strcspn(out, "\n")] = '\0';
	Py_XDECREF(bytes);
	PyErr_Clear();
}

static void
py_exc_log(const struct py_exc *e, const char *head)
{
	PyObject *bytes = py_exc_encode(py_exc_print(e, head));
	char line[1024];

	if (bytes != NULL)
		log_block(LOG_ERROR_, py_prefix(), PyBytes_AS_STRING(bytes),
		    (size_t)PyBytes_GET_SIZE(bytes));
	else {
		py_exc_sentence(e, line, sizeof(line));
		log_errorx("%s%.*s: %s", py_prefix(),
		    (int)strcspn(head, "\n"), head, line);
	}
	Py_XDECREF(bytes);
	PyErr_Clear();
}

void
py_err_log(const struct req *req, const char *where)
{
	struct py_exc e;
	char head[512], line[400];

	py_exc_take(&e);
	if (req != NULL)
		snprintf(head, sizeof(head), "%s: exception in %s\n",
		    req_line(req, line, sizeof(line)), where);
	else
		snprintf(head, sizeof(head), "exception in %s\n", where);
	py_exc_log(&e, head);
	py_exc_free(&e);
}

int
py_err_set(struct err *err, int code)
{
	struct py_exc e;
	char line[sizeof(err->text)];

	py_exc_take(&e);
	py_exc_sentence(&e, line, sizeof(line));
	py_exc_free(&e);
	return err_setc(err, code, "%s", line);
}

int
py_err_trace(struct err *err, int code)
{
	struct py_exc e;
	char line[sizeof(err->text)];

	py_exc_take(&e);
	py_exc_log(&e, "");
	py_exc_sentence(&e, line, sizeof(line));
	py_exc_free(&e);
	return err_setc(err, code, "%s", line);
}

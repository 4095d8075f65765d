/* SPDX-License-Identifier: MIT */
/* Python's signal wake-up descriptor, shared with the application. */
#include "python/wakeup.h"

#include <stdbool.h>
#include <unistd.h>

static struct {
	PyObject	*set;		/* signal.set_wakeup_fd, Python's own */
	int		 theirs;	/* the application's, -1: none */
	bool		 warn;		/* its warn_on_full_buffer */
	int		 ours;		/* of the last wait, -1: none */
	int		 now;		/* what Python has */
} wakeup = { NULL, -1, true, -1, -1 };

static int
wakeup_set(int fd, bool warn)
{
	static PyObject *names;
	PyObject *args[2], *old;

	if (names == NULL &&
	    (names = Py_BuildValue("(s)", "warn_on_full_buffer")) == NULL)
		return -1;
	if ((args[0] = PyLong_FromLong(fd)) == NULL)
		return -1;
	args[1] = warn ? Py_True : Py_False;
	old = PyObject_Vectorcall(wakeup.set, args, 1, names);
	Py_DECREF(args[0]);
	if (old == NULL)
		return -1;
	Py_DECREF(old);
	wakeup.now = fd;
	return 0;
}

int
wakeup_take(int fd)
{
	wakeup.ours = fd;
	return wakeup.now == fd ? 0 : wakeup_set(fd, false);
}

/* The application's may be closed by now: then it has none. */
void
wakeup_give(void)
{
	PyObject *type, *value, *trace;

	if (wakeup.theirs == -1 || wakeup.now == wakeup.theirs)
		return;
	PyErr_Fetch(&type, &value, &trace);
	if (wakeup_set(wakeup.theirs, wakeup.warn) == -1) {
		PyErr_Clear();
		wakeup.theirs = -1;
	}
	PyErr_Restore(type, value, trace);
}

void
wakeup_drop(int fd)
{
	if (wakeup.ours != fd)
		return;
	wakeup.ours = -1;
	if (wakeup.now == fd && wakeup_set(-1, true) == -1)
		PyErr_Clear();
}

/* A full one wakes its reader just as well. */
void
wakeup_pass(const uint8_t *numbers, size_t n)
{
	if (wakeup.theirs != -1 && n > 0 &&
	    write(wakeup.theirs, numbers, n) == -1)
		return;
}

PyDoc_STRVAR(wakeup_doc,
"set_wakeup_fd(fd, *, warn_on_full_buffer=True) -> fd\n"
"\n"
"Sets the fd to be written to (with the signal number) when a signal comes\n"
"in. The previous fd or -1 is returned.");

/* -1 is the application's "none"; ours takes over then. */
static PyObject *
wakeup_set_theirs(PyObject *self UNUSED, PyObject *args, PyObject *kwargs)
{
	static char fd_name[] = "", warn_name[] = "warn_on_full_buffer";
	static char *names[] = { fd_name, warn_name, NULL };
	int fd, warn = 1, old = wakeup.theirs, real;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|$p:set_wakeup_fd",
	    names, &fd, &warn))
		return NULL;
	fd = fd < 0 ? -1 : fd;
	real = fd == -1 ? wakeup.ours : fd;
	if (wakeup_set(real, real == fd && warn != 0) == -1)
		return NULL;
	wakeup.theirs = fd;
	wakeup.warn = warn != 0;
	return PyLong_FromLong(old);
}

static PyMethodDef wakeup_method = {
	"set_wakeup_fd", PY_METHOD(wakeup_set_theirs),
	METH_VARARGS | METH_KEYWORDS, wakeup_doc
};

/* What the application has set before stays its own. */
static int
wakeup_adopt(void)
{
	PyObject *old = PyObject_CallFunction(wakeup.set, "i", -1);

	if (old == NULL)
		return -1;
	wakeup.theirs = (int)PyLong_AsLong(old);
	Py_DECREF(old);
	return wakeup.theirs == -1 ? 0 : wakeup_set(wakeup.theirs, true);
}

int
wakeup_init(void)
{
	PyObject *mod = PyImport_ImportModule("signal"), *function;
	int res = -1;

	if (mod == NULL)
		return -1;
	wakeup.set = PyObject_GetAttrString(mod, "set_wakeup_fd");
	function = PyCFunction_New(&wakeup_method, NULL);
	if (wakeup.set != NULL && function != NULL && wakeup_adopt() == 0)
		res = PyObject_SetAttrString(mod, "set_wakeup_fd", function);
	Py_XDECREF(function);
	Py_DECREF(mod);
	return res;
}

/* SPDX-License-Identifier: MIT */
/* What types of ours need to pass for coroutines. */
#include "python/py_coro.h"

int
py_register_coroutine(PyTypeObject *type)
{
	PyObject *mod = PyImport_ImportModule("collections.abc");
	PyObject *abc = NULL, *res = NULL;

	if (mod != NULL)
		abc = PyObject_GetAttrString(mod, "Coroutine");
	if (abc != NULL)
		res = PyObject_CallMethod(abc, "register", "O", type);
	Py_XDECREF(mod);
	Py_XDECREF(abc);
	Py_XDECREF(res);
	return res == NULL ? -1 : 0;
}

PyObject *
py_send_result(PySendResult how, PyObject *result)
{
	PyObject *stop;

	if (how != PYGEN_RETURN)
		return result;
	/* An instance: a result that is a tuple would become its arguments. */
	stop = PyObject_CallOneArg(PyExc_StopIteration, result);
	Py_DECREF(result);
	if (stop != NULL)
		PyErr_SetObject(PyExc_StopIteration, stop);
	Py_XDECREF(stop);
	return NULL;
}

/* throw(exception), or throw(type[, value[, traceback]]). */
void
py_throw(PyObject *const *args, Py_ssize_t n)
{
	PyObject *type = n > 0 ? args[0] : Py_None;
	PyObject *value = n > 1 ? args[1] : NULL;
	PyObject *trace = n > 2 && args[2] != Py_None ? args[2] : NULL;

	if (PyExceptionInstance_Check(type)) {
		value = type;
		type = (PyObject *)Py_TYPE(value);
	}
	if (!PyExceptionClass_Check(type)) {
		PyErr_SetString(PyExc_TypeError,
		    "throw() takes an exception");
		return;
	}
	Py_INCREF(type);
	Py_XINCREF(value);
	Py_XINCREF(trace);
	PyErr_Restore(type, value, trace);
}

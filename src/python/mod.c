/* SPDX-License-Identifier: MIT */
/* import saola: what the server tells its application, and is told by it. */
#include "python/py.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "python/gateway.h"
#include "python/mod.h"
#include "python/py_abort.h"
#include "python/wsgi.h"
#include "req/req.h"
#include "req/run.h"

#define MOD_EXTEND_MAX	31536000

static PyObject *mod_saola;

PyDoc_STRVAR(mod_doc,
"What the server tells its application.\n"
"\n"
"version     of the server\n"
"worker_id   0 .. workers-1, None outside of a worker\n"
"generation  counts the reloads, None outside of a worker\n"
"RequestTimeout  raised in a request that is over its timeout");

PyDoc_STRVAR(mod_disconnected_doc,
"disconnected() -> bool\n"
"\n"
"Whether the client of the running request is known to have left.");

static PyObject *
mod_disconnected(PyObject *self UNUSED, PyObject *none UNUSED)
{
	struct req *req = wsgi_current();

	return PyBool_FromLong(req != NULL && req->io->gone(req));
}

PyDoc_STRVAR(mod_extend_timeout_doc,
"extend_timeout(seconds)\n"
"\n"
"Let the running request take at least so many seconds from now, whatever the\n"
"timeout setting says. Does nothing outside of a request, where there is no\n"
"timeout, and when it is over already.");

static PyObject *
mod_extend_timeout(PyObject *self UNUSED, PyObject *seconds)
{
	const struct req *req = wsgi_current();
	double s = PyFloat_AsDouble(seconds);

	if (s == -1 && PyErr_Occurred() != NULL)
		return NULL;
	if (!(s >= 0 && s <= MOD_EXTEND_MAX)) {
		PyErr_Format(PyExc_ValueError,
		    "seconds must be from 0 to %d", MOD_EXTEND_MAX);
		return NULL;
	}
	if (req != NULL && req->run != NULL)
		run_extend(req->run, clock_ns() + (int64_t)(s * 1e9));
	Py_RETURN_NONE;
}

static PyMethodDef mod_methods[] = {
	{ "disconnected", mod_disconnected, METH_NOARGS, mod_disconnected_doc },
	{ "extend_timeout", mod_extend_timeout, METH_O,
	    mod_extend_timeout_doc },
	{ NULL, NULL, 0, NULL }
};

static int
mod_exec(PyObject *mod)
{
	if (PyModule_AddStringConstant(mod, "version", SAOLA_VERSION) == -1 ||
	    PyObject_SetAttrString(mod, "worker_id", Py_None) == -1)
		return -1;
	if (PyModule_AddObjectRef(mod, "RequestTimeout",
	    py_abort_type()) == -1)
		return -1;
	return PyObject_SetAttrString(mod, "generation", Py_None);
}

static PyModuleDef_Slot mod_slots[] = {
	{ Py_mod_exec, mod_exec },
	{ 0, NULL }
};

static struct PyModuleDef mod_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "saola",
	.m_doc = mod_doc,
	.m_methods = mod_methods,
	.m_slots = mod_slots
};

static PyObject *
mod_init(void)
{
	return PyModuleDef_Init(&mod_def);
}

int
mod_register(void)
{
	return PyImport_AppendInittab("saola", mod_init);
}

static int
mod_set_number(PyObject *mod, const char *name, long value)
{
	PyObject *number = PyLong_FromLong(value);
	int res = -1;

	if (number != NULL)
		res = PyObject_SetAttrString(mod, name, number);
	Py_XDECREF(number);
	return res;
}

int
mod_import(void)
{
	mod_saola = PyImport_ImportModule("saola");
	return mod_saola == NULL ? -1 : 0;
}

int
mod_set_worker(const struct py_worker *w)
{
	if (mod_set_number(mod_saola, "worker_id", w->id) == -1)
		return -1;
	return mod_set_number(mod_saola, "generation", (long)w->generation);
}

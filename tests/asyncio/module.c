/* SPDX-License-Identifier: MIT */
/* The selector as a module of its own, so that CPython's tests can import it. */
#include "python/selector.h"

static int
module_exec(PyObject *mod)
{
	if (selector_init() == -1)
		return -1;
	return PyObject_SetAttrString(mod, "Selector", selector_type());
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, module_exec },
	{ 0, NULL }
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "saola_selector",
	.m_slots = module_slots
};

PyMODINIT_FUNC PyInit_saola_selector(void);

PyMODINIT_FUNC
PyInit_saola_selector(void)
{
	return PyModuleDef_Init(&module_def);
}

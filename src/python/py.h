/* SPDX-License-Identifier: MIT */
/* What every file of this floor starts with: Python.h, and who has the GIL. */
#ifndef PYTHON_PY_H
#define PYTHON_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/str.h"

/* The GIL, for the thread that booted and those of py_thread_start. */
void	py_enter(void);
void	py_leave(void);

/* "app NAME: ", for log lines. */
const char *py_prefix(void);

/* A method table takes functions of several types. */
#define PY_METHOD(f)	((PyCFunction)(void (*)(void))(f))

/* Bytes as text of one code point each (PEP 3333). New reference. */
static inline PyObject *
py_latin1(struct str s)
{
	return PyUnicode_DecodeLatin1(s.p, (Py_ssize_t)s.len, NULL);
}

#endif

/* SPDX-License-Identifier: MIT */
/* What types of ours need to pass for coroutines. */
#ifndef PYTHON_PY_CORO_H
#define PYTHON_PY_CORO_H

#include "python/py.h"

/* collections.abc.Coroutine has it for one. -1 with an exception set. */
int	py_register_coroutine(PyTypeObject *) MUSTCHECK;
/* What am_send says, as __next__ and send() say it; takes result. */
PyObject *py_send_result(PySendResult, PyObject *result);
/* Set the exception that throw() was called with. */
void	py_throw(PyObject *const *args, Py_ssize_t n);

#endif

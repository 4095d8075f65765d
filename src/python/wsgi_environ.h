/* SPDX-License-Identifier: MIT */
/* The environ of a request. */
#ifndef PYTHON_WSGI_ENVIRON_H
#define PYTHON_WSGI_ENVIRON_H

#include "python/py.h"

struct py_worker;
struct req;

/* What every environ has; errors is wsgi.errors. -1: exception set. */
int	wsgi_environ_init(PyObject *errors, const struct py_worker *)
	    MUSTCHECK;
/* A dict nobody else has. New reference, NULL with an exception set. */
PyObject *wsgi_environ_new(const struct req *, PyObject *input);

#endif

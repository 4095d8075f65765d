/* SPDX-License-Identifier: MIT */
/* WSGI: what the rest of this floor may ask of it. */
#ifndef PYTHON_WSGI_H
#define PYTHON_WSGI_H

#include "python/py.h"

struct py_worker;
struct req;

/* Types, once; then what is known in a worker. -1: exception set. */
int	wsgi_init(void) MUSTCHECK;
int	wsgi_init_worker(const struct py_worker *) MUSTCHECK;
/* The callable that requests go to; the reference is taken. */
void	wsgi_serve(PyObject *application);
/* The request this thread runs, NULL outside of one. */
struct req *wsgi_current(void);

#endif

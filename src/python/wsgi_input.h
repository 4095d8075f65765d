/* SPDX-License-Identifier: MIT */
/* wsgi.input over the body of a request. */
#ifndef PYTHON_WSGI_INPUT_H
#define PYTHON_WSGI_INPUT_H

#include "python/py.h"

struct body;

int	wsgi_input_init(void) MUSTCHECK;
/* New reference, NULL with an exception set. */
PyObject *wsgi_input_new(struct body *);
/* The request is over: takes the reference. Who kept it cannot read on. */
void	wsgi_input_free(PyObject *);

#endif

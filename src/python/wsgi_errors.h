/* SPDX-License-Identifier: MIT */
/* Text streams into the error log: wsgi.errors, and captured output. */
#ifndef PYTHON_WSGI_ERRORS_H
#define PYTHON_WSGI_ERRORS_H

#include "base/log.h"
#include "python/py.h"

int	wsgi_errors_init(void) MUSTCHECK;
/* A stream whose lines have this level. New reference, NULL: exception. */
PyObject *wsgi_errors_new(enum log_level);
/* The running request ends: log what it wrote of lines that have not ended. */
void	wsgi_errors_flush(void);

#endif

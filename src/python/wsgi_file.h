/* SPDX-License-Identifier: MIT */
/* wsgi.file_wrapper. */
#ifndef PYTHON_WSGI_FILE_H
#define PYTHON_WSGI_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "python/py.h"

int	wsgi_file_init(void) MUSTCHECK;
/* The class, borrowed. */
PyObject *wsgi_file_type(void);
/*
 * Whether o is a wrapped regular file that may be sent without reading it in
 * Python; its descriptor, position and what is left behind it.
 */
bool	wsgi_file_is_plain(PyObject *o, int *fd, int64_t *at, uint64_t *left);

#endif

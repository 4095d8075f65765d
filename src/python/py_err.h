/* SPDX-License-Identifier: MIT */
/* Exceptions on their way out of Python: to the log, or to the operator. */
#ifndef PYTHON_PY_ERR_H
#define PYTHON_PY_ERR_H

#include "base/err.h"

struct req;

/*
 * Log the exception that is set, with its traceback and the request it
 * happened in (or NULL), and clear it. where: "the application", "close()".
 */
void	py_err_log(const struct req *, const char *where);

/*
 * The exception that is set as the operator's sentence ("KeyError: 'x'"), and
 * clear it. Returns -1.
 */
int	py_err_set(struct err *, int code);
/* The same, and its traceback to the log. */
int	py_err_trace(struct err *, int code);

#endif

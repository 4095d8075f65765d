/* SPDX-License-Identifier: MIT */
/* saola.RequestTimeout, and who raises it. */
#ifndef PYTHON_PY_ABORT_H
#define PYTHON_PY_ABORT_H

#include <stdbool.h>
#include <stdint.h>

#include "python/py.h"

struct run;

/* The exception's class, once; then, in a worker, what raises it. */
int	py_abort_init(void) MUSTCHECK;
int	py_abort_init_worker(void) MUSTCHECK;
/* Borrowed. */
PyObject *py_abort_type(void);

/*
 * Around the Python of a request, with the GIL. False: it took so long to get
 * here that the request has been answered.
 */
bool	py_abort_enter(struct run *) MUSTCHECK;
void	py_abort_leave(struct run *);
/* Whether the exception that is set is the one raised in this request. */
bool	py_abort_is_ours(const struct run *);

/*
 * The aide is a thread that takes the GIL for others, who do not wait for it
 * for ever. True: it has had it within so many ns, and all stacks are written.
 */
bool	py_aide_dump(int64_t ns) MUSTCHECK;

#endif

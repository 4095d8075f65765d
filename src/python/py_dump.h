/* SPDX-License-Identifier: MIT */
/* Stacks of threads, without the GIL: the part behind gateway.h. */
#ifndef PYTHON_PY_DUMP_H
#define PYTHON_PY_DUMP_H

#include "base/attr.h"

/* When Python starts; then in a worker. -1 with an exception set. */
int	py_dump_init(void) MUSTCHECK;
int	py_dump_init_worker(void) MUSTCHECK;
/* The GIL's: write all stacks, seen from the thread that was named last. */
void	py_dump_with_gil(void);

#endif

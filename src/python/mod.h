/* SPDX-License-Identifier: MIT */
/* The builtin module "saola", for applications. */
#ifndef PYTHON_MOD_H
#define PYTHON_MOD_H

#include "base/attr.h"

struct py_worker;

/* Before the interpreter starts. */
int	mod_register(void) MUSTCHECK;
/* Before the fork: an import dirties pages that workers share. */
int	mod_import(void) MUSTCHECK;
/* Tell applications which worker this is; -1 with an exception set. */
int	mod_set_worker(const struct py_worker *) MUSTCHECK;

#endif

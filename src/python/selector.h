/* SPDX-License-Identifier: MIT */
/*
 * A selector as Python's selectors module describes it, on the poll core: what
 * the stock asyncio.SelectorEventLoop runs on.
 */
#ifndef PYTHON_SELECTOR_H
#define PYTHON_SELECTOR_H

#include <stdbool.h>

#include "python/py.h"

struct pollcore;

/* The types, once. -1 with an exception set. */
int	selector_init(void) MUSTCHECK;
/* The type, for a module to offer. Borrowed. */
PyObject *selector_type(void);

/*
 * What else the thread does, with the GIL: turn before every wait, batch behind
 * every wait that was roused. An exception is not for select()'s caller, so
 * they leave none. batch says whether the loop has something to do: if not,
 * and no descriptor is ready, select() waits on. Either may be NULL.
 */
struct selector_hooks {
	void	(*turn)(void *arg);
	bool	(*batch)(void *arg);
	void	*arg;
};

/*
 * A selector on a poll core that stays the caller's and outlives it. New
 * reference, NULL with an exception set.
 */
PyObject *selector_new(struct pollcore *, struct selector_hooks) MUSTCHECK;

#endif

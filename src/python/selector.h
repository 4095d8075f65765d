/* SPDX-License-Identifier: MIT */
/*
 * A selector as Python's selectors module describes it, on the poll core: what
 * the stock asyncio.SelectorEventLoop runs on.
 */
#ifndef PYTHON_SELECTOR_H
#define PYTHON_SELECTOR_H

#include "python/py.h"

struct pollcore;

/* The types, once. -1 with an exception set. */
int	selector_init(void) MUSTCHECK;
/* The type, for a module to offer. Borrowed. */
PyObject *selector_type(void);

/*
 * What else the thread has to do between waiting and the loop's callbacks.
 * Called with the GIL after every wait that was roused; an exception is not
 * for select()'s caller, so it leaves none.
 */
typedef void selector_batch_fn(void *arg);

/*
 * A selector on a poll core that stays the caller's and outlives it. fn may be
 * NULL. New reference, NULL with an exception set.
 */
PyObject *selector_new(struct pollcore *, selector_batch_fn *, void *arg)
	    MUSTCHECK;

#endif

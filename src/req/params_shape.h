/* SPDX-License-Identifier: MIT */
/* What the names of a request's parameters mean, remembered per sequence. */
#ifndef REQ_PARAMS_SHAPE_H
#define REQ_PARAMS_SHAPE_H

#include <stddef.h>

#include "base/attr.h"
#include "req/params.h"

/*
 * Fill p->v[].is from the names, and p->shape (held) where their sequence is
 * remembered. names: bytes of all names together. Returns 0 or an HTTP status
 * with *why.
 */
int	shape_classify(struct params *, size_t names, struct arena *,
	    const char **why) MUSTCHECK;

#endif

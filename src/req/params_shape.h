/* SPDX-License-Identifier: MIT */
/* What the names of a request's parameters mean, remembered per sequence. */
#ifndef REQ_PARAMS_SHAPE_H
#define REQ_PARAMS_SHAPE_H

#include "base/attr.h"
#include "req/params.h"

/*
 * Fill p->v[].is from the names, and p->shape (held) where their sequence is
 * remembered. Returns 0 or an HTTP status with *why.
 */
int	shape_classify(struct params *, struct arena *, const char **why)
	    MUSTCHECK;

#endif

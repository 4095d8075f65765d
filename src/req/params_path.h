/* SPDX-License-Identifier: MIT */
/* SCRIPT_NAME and PATH_INFO out of what proxies send. */
#ifndef REQ_PARAMS_PATH_H
#define REQ_PARAMS_PATH_H

#include "base/attr.h"
#include "req/params.h"

/*
 * Set script_name, path_info and mount from p->known. Returns 0 or an HTTP
 * status with *why.
 */
int	path_compute(struct params *, const struct params_conf *,
	    struct arena *, const char **why) MUSTCHECK;

/* A REQUEST_URI from its path on, without scheme://authority. */
struct str path_of_uri(struct str uri);

#endif

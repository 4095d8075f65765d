/* SPDX-License-Identifier: MIT */
/* What the settings say about connections and requests, worked out once. */
#ifndef WORKER_CONN_CONF_H
#define WORKER_CONN_CONF_H

#include "base/err.h"
#include "worker/conn.h"
#include "worker/worker.h"

/* For the life of the worker, whose settings it points into. */
int	conn_conf_load(struct conn_conf *, const struct worker *, struct err *)
	    MUSTCHECK;

#endif

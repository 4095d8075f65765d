/* SPDX-License-Identifier: MIT */
/* From a listener to a connection: the same in every class. */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include "worker/conn.h"

#define ACCEPT_REST_MS	100	/* without descriptors, memory ... */

/* Where connections of these listeners come from, for the process's life. */
struct conn_from *accept_init(struct listener *const *, size_t n);
/*
 * Accept one and set now_ns to the time of it. NULL with *error: 0 if it was
 * not wanted, EAGAIN if there was none, else what to show accept_must_rest.
 */
struct conn *accept_conn(struct conns *, const struct conn_from *, int *error)
	    MUSTCHECK;
/*
 * Whether the error, which is logged, would be met again at once, so that the
 * listener should be left alone for ACCEPT_REST_MS.
 */
bool	accept_must_rest(int error);

#endif

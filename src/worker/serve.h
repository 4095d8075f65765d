/* SPDX-License-Identifier: MIT */
/*
 * One request through the application, whatever the class: its deadline, its
 * place on the board, its line in the log, and whether its worker has served
 * long enough.
 */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include "worker/worker.h"

/*
 * Run a whole request, picked up now, to the end of its response, or refuse it
 * in time. Returns the clock at the end of it. conn_finish says what becomes of
 * the connection.
 */
int64_t	serve_request(struct worker *, struct run *, struct req *, int64_t now);

/*
 * Count a request that has ended and write its line; whoever does it for the
 * thread of a slot holds the run's lock.
 */
void	serve_account(struct slot *, const struct req *, int64_t end_ns);

/* Resident bytes of this process; 0 where the kernel does not say. */
int64_t	serve_rss(struct worker *);

#endif

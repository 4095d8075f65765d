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

/*
 * The parts of it, for a class that runs many requests at once: how long one
 * has waited (-1: the proxy does not say), counted; whether that is too long,
 * and then it is answered; and what there is to do when one more has ended.
 */
int64_t	serve_waited(struct slot *, const struct req *);
bool	serve_sheds(const struct worker *, struct req *, int64_t waited);
void	serve_after(struct worker *, int64_t now_ns);

/* Resident bytes of this process; 0 where the kernel does not say. */
int64_t	serve_rss(struct worker *);

#endif

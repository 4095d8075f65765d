/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request past its deadline, in the watchdog's thread and
 * without the GIL:
 *
 *	slow_timeout	its stack goes to the slow log, and it runs on
 *	timeout		1 stacks are logged, 2 the peer gets a 504, or the
 *			response is cut, 3 saola.RequestTimeout is raised in it
 *	abort_grace	4 the master is asked for another worker; this one goes
 *			when none of its threads is left for anything else
 */
#ifndef WORKER_LADDER_H
#define WORKER_LADDER_H

#include "worker/worker.h"

/* What has come over all requests at once. */
struct ladder_limit {
	int64_t	 ns;		/* none may run longer; INT64_MAX: no limit */
	bool	 fast;		/* a stop in a hurry: no stacks */
};

void	ladder_init(struct worker *);
/*
 * Do what is due now; *busy: requests run. Returns when something is due again,
 * INT64_MAX: nothing. One that starts later is due after timeout or
 * slow_timeout, whichever is shorter, so nothing is missed by sleeping for that
 * long.
 */
int64_t	ladder_turn(struct worker *, int64_t now, struct ladder_limit,
	    bool *busy);
/* End this process at once; whoever waits for an answer gets a 503. */
void	ladder_drop(struct worker *, const char *why) NORETURN;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a thread that never takes the GIL, so nothing an application
 * does can keep it. It turns signals, and the end of the master, into w->stop,
 * keeps the deadlines of requests, and sees that a worker that was asked to
 * leave does.
 */
#ifndef WORKER_WATCHDOG_H
#define WORKER_WATCHDOG_H

#include "worker/worker.h"

/*
 * Start it and install the worker's signal handlers. Called with all signals
 * blocked, which the thread inherits; unblocks them for the caller.
 */
int	watchdog_start(struct worker *, struct err *) MUSTCHECK;
/* It sleeps without an end, and now a request runs. */
void	watchdog_wake(struct worker *);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The poll core: what one thread waits for, on a libevent base of its own.
 * Nothing here knows Python; asyncio's selector and gevent's loop are faces of
 * it, and the worker's connections use it directly.
 *
 *	pollcore_wait ──▶ a batch of events ──┬─▶ handlers, called at once
 *	                                      └─▶ the ready queue
 *	pollcore_next ◀── ready queue, once pollcore_wait has returned
 *
 * A pollev is one watched descriptor or timer. One with a handler has it
 * called inside the wait: it may read, write, watch, free any pollev, but
 * neither block nor run Python, and it calls pollcore_rouse when it has made
 * work for the thread. One without a handler goes to the ready queue.
 *
 * All of it belongs to the thread that made it, after the last fork; only
 * pollcore_wake is for others. Times are nanoseconds.
 */
#ifndef EVENT_POLLCORE_H
#define EVENT_POLLCORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* What a pollev waits for, and what happened. Errors count as both. */
#define POLLEV_READ	1	/* as selectors.EVENT_READ */
#define POLLEV_WRITE	2	/* as selectors.EVENT_WRITE */
#define POLLEV_TIME	4	/* a timer ran out */

struct pollcore;
struct pollev;

/* NULL and errno on failure. free: every pollev of it goes with it. */
struct pollcore *pollcore_new(void) MUSTCHECK;
void	pollcore_free(struct pollcore *);

/*
 * Wait until a batch of events has left something to do, at most ns (0: look
 * and return, -1: for ever). Returns 0 if the time ran out, -1 with errno, or
 * a mask of why:
 */
#define POLLCORE_ROUSED	1	/* ready queue, pollcore_rouse or _wake */
#define POLLCORE_SIGNAL	2	/* signal numbers came through the wake fd */
int	pollcore_wait(struct pollcore *, int64_t ns) MUSTCHECK;

/*
 * The next of the ready queue: its arg, with what happened since it was last
 * taken. NULL: the queue is empty. _nready is its length.
 */
void	*pollcore_next(struct pollcore *, unsigned *what);
size_t	 pollcore_nready(const struct pollcore *);

/* The wait returns behind this batch; outside of one, the next does at once. */
void	pollcore_rouse(struct pollcore *);
/* For other threads and signal handlers: end the wait, or the next one. */
void	pollcore_wake(struct pollcore *);

/*
 * The descriptor that pollcore_wake writes to, for Python's set_wakeup_fd:
 * bytes other than 0 are signal numbers. _signals takes those that came;
 * returns how many. libevent hides EINTR, so this is how a wait learns of
 * signals.
 */
int	pollcore_wake_fd(const struct pollcore *);
size_t	pollcore_signals(struct pollcore *, uint8_t *out, size_t size);

typedef void pollev_fn(void *arg, unsigned what);

/*
 * Watch a descriptor, level-triggered, for what (0: nothing yet). fn NULL: to
 * the ready queue. The descriptor stays the caller's, who frees the pollev
 * before closing it. NULL and errno: EPERM for a file that cannot be polled,
 * EBADF, ENOMEM.
 */
struct pollev *pollev_fd(struct pollcore *, int fd, unsigned what,
	    pollev_fn *, void *arg) MUSTCHECK;
/* Wait for something else. -1 and errno; then nothing is sure but free. */
int	pollev_set(struct pollev *, unsigned what) MUSTCHECK;

/* A timer, stopped. start: once, ns from now, instead of any earlier one. */
struct pollev *pollev_timer(struct pollcore *, pollev_fn *, void *arg)
	    MUSTCHECK;
int	pollev_start(struct pollev *, int64_t ns) MUSTCHECK;

/* Wait for nothing any more; what is in the ready queue leaves it. */
void	pollev_stop(struct pollev *);
/* The same, for good. NULL is allowed. */
void	pollev_free(struct pollev *);

/*
 * fd is fresh from the kernel: whoever still watches that number forgot to
 * stop before closing it. Silence them, or libevent, which counts watchers by
 * number, would not tell the kernel about the new one.
 */
void	pollcore_fresh(struct pollcore *, int fd);

#endif

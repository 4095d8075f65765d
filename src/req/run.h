/* SPDX-License-Identifier: MIT */
/*
 * A thread that runs requests, and the request it runs, as others see it: the
 * watchdog, which answers for one that is over its deadline, and whoever raises
 * the exception in it.
 *
 * Who may write to the peer is one word, the claim: the number of the request
 * and how far its response is. The thread itself moves along the upper line;
 * the watchdog moves it down, by compare and swap with the number it has seen,
 * so that it never meets another request than the one it means:
 *
 *	NONE ─▶ OPEN ─▶ WRITING ◀─▶ SENT          ... ─▶ NONE
 *	          │       │   ▲       │
 *	          │       │   └▶ BLOCKED
 *	          ▼       ▼       ▼   ▼
 *	        TAKEN    CUT     CUT CUT
 *
 * So a request is answered once, whoever is faster. A write that is not blocked
 * ends by itself, and is left alone: if it was the last one, the response is
 * whole, cut or not. What the watchdog has moved down stays alive while it
 * holds the lock: run_end waits for it.
 */
#ifndef REQ_RUN_H
#define REQ_RUN_H

#include <sys/types.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "state/scoreboard.h"

struct req;

enum run_state {
	RUN_NONE,		/* no request */
	RUN_OPEN,		/* nothing has left yet */
	RUN_WRITING,		/* bytes are leaving, or all have left */
	RUN_BLOCKED,		/* more of them, when the peer has read some */
	RUN_SENT,		/* the head has left, and whole records */
	RUN_TAKEN,		/* the watchdog answers */
	RUN_CUT			/* the thread writes no more */
};

#define RUN_STATES	8	/* the claim: number * RUN_STATES + state */

struct run {
	_Alignas(64)
	_Atomic uint64_t claim;
	_Atomic int64_t	 deadline_ns;	/* the slot's is for the master: */
	_Atomic int64_t	 start_ns;	/* others could write to it */
	_Atomic uint64_t abort;		/* request to raise in, by number */
	uint64_t	 inside;	/* request in Python; under the GIL */
	_Atomic uint64_t raised;	/* request raised in; under the GIL */
	struct req	*req;
	struct slot	*slot;
	pthread_t	 thread;
	pid_t		 tid;
	pthread_mutex_t	 lock;
	bool		 accounted;	/* by the watchdog, under the lock */
	bool		 stuck;		/* given up; under the lock */
	int64_t		 look_until_ns;	/* peers may have left till then */
};

void	run_init(struct run *, struct slot *);
/* In the thread itself, before its first request. */
void	run_enter(struct run *);

/* A request starts, with a deadline (0: none). Its start_ns is set. */
void	run_begin(struct run *, struct req *, int64_t deadline_ns);
/* It may take until then, if it has a deadline and that is earlier. */
void	run_extend(struct run *, int64_t deadline_ns);
/* It is over; what the watchdog did to it is in its response afterwards. */
void	run_end(struct run *);

static inline uint64_t
run_number(uint64_t claim)
{
	return claim / RUN_STATES;
}

static inline enum run_state
run_state(uint64_t claim)
{
	return (enum run_state)(claim % RUN_STATES);
}

static inline bool
run_move(struct run *r, uint64_t from, enum run_state to)
{
	return atomic_compare_exchange_strong(&r->claim, &from,
	    from - from % RUN_STATES + to);
}

/*
 * Before a write of the thread and, unless it was the last, after it; and
 * around every wait within one. False: it may not write, or no longer. Without
 * a run the request has nobody else who could answer it.
 */
static inline bool
run_write(struct run *r)
{
	uint64_t claim;

	if (r == NULL)
		return true;
	claim = atomic_load_explicit(&r->claim, memory_order_relaxed);
	return (run_state(claim) == RUN_OPEN || run_state(claim) == RUN_SENT) &&
	    run_move(r, claim, RUN_WRITING);
}

static inline bool
run_pass(struct run *r, enum run_state from, enum run_state to)
{
	uint64_t claim;

	if (r == NULL)
		return true;
	claim = atomic_load_explicit(&r->claim, memory_order_relaxed);
	return run_state(claim) == from && run_move(r, claim, to);
}

static inline bool
run_wrote(struct run *r)
{
	return run_pass(r, RUN_WRITING, RUN_SENT);
}

static inline bool
run_wait(struct run *r)
{
	return run_pass(r, RUN_WRITING, RUN_BLOCKED);
}

static inline bool
run_go_on(struct run *r)
{
	return run_pass(r, RUN_BLOCKED, RUN_WRITING);
}

/*
 * The watchdog's, with the lock held: move the request of this number down.
 * Returns the state it was in, which is lost where it was down already. NONE:
 * that request is over.
 */
enum run_state run_seize(struct run *, uint64_t number);

#endif

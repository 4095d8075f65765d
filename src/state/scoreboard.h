/* SPDX-License-Identifier: MIT */
/*
 * Shared memory, made by the master before the first fork. A worker has a slot
 * for each request that it can run at once, in a row, each with a single
 * writer: the thread that runs the request. The first one is the worker's too:
 * it says what the process as a whole does. The master claims slots before it
 * orders a worker and releases them after reaping; what it reads there is
 * hostile input and never an index, a size or a pointer. Totals are made by the
 * reader.
 */
#ifndef STATE_SCOREBOARD_H
#define STATE_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum slot_stage {
	SLOT_FREE,		/* nobody's */
	SLOT_BOOTING,		/* from fork until the application is loaded */
	SLOT_IDLE,		/* waits for a request */
	SLOT_BUSY,		/* runs one */
	SLOT_DRAINING		/* finishes, takes no new connections */
};

#define BOARD_ROOM	65536	/* readers look no further, whatever it says */
#define SLOT_METHOD	16
#define SLOT_URI	192

/*
 * Times, counted by their order of magnitude: bucket 0 is less than 1 us, n is
 * 2^(n-1) us to less than 2^n us, and the last one takes the rest.
 */
#define HIST_BUCKETS	36
struct hist {
	_Atomic uint64_t n[HIST_BUCKETS];
};

/* How a request ended, in place of the class of its status. */
enum slot_count {
	COUNT_REQUESTS,		/* all of those below */
	COUNT_2XX, COUNT_3XX, COUNT_4XX, COUNT_5XX,
	COUNT_ABORTED,		/* the peer left */
	COUNT_TRUNCATED,	/* failed behind its head */
	COUNT_TIMED_OUT,	/* over its deadline, whatever was answered */
	COUNT_SHED,		/* queue_timeout */
	COUNT_SLOW,		/* over slow_timeout */
	COUNTS
};

/* The request a worker runs, behind a seqlock (odd: being written). */
struct slot_request {
	_Atomic uint32_t seq;
	_Atomic int64_t	 start_ns;	/* monotonic; 0: none */
	_Atomic int64_t	 deadline_ns;	/* it must have ended; 0: none */
	_Atomic uint64_t method[SLOT_METHOD / 8];
	_Atomic uint64_t uri[SLOT_URI / 8];	/* cut, NUL-terminated */
};

struct slot {
	_Alignas(64)
	_Atomic int32_t	 stage;		/* enum slot_stage */
	/* Of the worker, in the first of its slots. */
	_Atomic uint32_t app;		/* same for all who share listeners */
	_Atomic uint32_t held;		/* connections in hand */
	_Atomic uint32_t busy;		/* requests that run, of several */
	_Atomic int64_t	 turn_ns;	/* last time its loop turned */
	_Atomic int64_t	 cpu_us, rss;	/* of the process, between requests */
	struct slot_request req;
	_Atomic uint64_t count[COUNTS];	/* since the fork */
	struct hist	 queue;		/* before the pick-up */
	struct hist	 duration;	/* from it to the end */
};

/* Written by the master, read by workers. */
struct board {
	_Alignas(64)
	_Atomic int32_t	 stop_queue;	/* drain the listen queue as well */
	_Atomic uint32_t nslots;	/* those ever used: readers stop here */
	struct slot	 slots[BOARD_ROOM];
};

/* Map a board; untouched slots cost nothing. NULL and errno on failure. */
struct board *board_new(void);
/* How many slots a reader looks at. */
uint32_t board_used(const struct board *);

/* The writer's side: mark the start and the end of a request. */
void	slot_begin(struct slot *, int64_t now_ns, int64_t deadline_ns,
	    struct str method, struct str uri);
void	slot_end(struct slot *);
/* Only the thread a slot belongs to counts in it: no atomic addition. */
void	slot_count(struct slot *, enum slot_count);
void	hist_add(struct hist *, int64_t ns);
/*
 * The reader's side: a consistent copy of the request, in slot-sized memory.
 * False if there is none or the writer did not hold still.
 */
struct slot_view {
	int64_t	start_ns, deadline_ns;
	char	method[SLOT_METHOD];
	char	uri[SLOT_URI];
};
bool	slot_read(const struct slot *, struct slot_view *);

/* A sum of histograms that readers make, and what can be read from it. */
struct hist_sum {
	uint64_t n[HIST_BUCKETS], total;
};
void	hist_sum(struct hist_sum *, const struct hist *);
/* Time in us that this share (0 to 1) stays below, up to a power of two. */
uint64_t hist_quantile(const struct hist_sum *, double share);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Shared memory, made by the master before the first fork. One slot per worker
 * with a single writer: the worker it belongs to. The master claims a slot
 * before it orders a worker and releases it after reaping; what it reads there
 * is hostile input and never an index, a size or a pointer. Totals are made by
 * the reader.
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

#define SLOT_URI	192

/* The request a worker runs, behind a seqlock (odd: being written). */
struct slot_request {
	_Atomic uint32_t seq;
	_Atomic int64_t	 start_ns;	/* monotonic; 0: none */
	char		 method[16];
	char		 uri[SLOT_URI];	/* cut, NUL-terminated */
};

struct slot {
	_Alignas(64)
	_Atomic int32_t	 stage;		/* enum slot_stage */
	_Atomic uint32_t app;		/* same for all who share listeners */
	_Atomic uint32_t held;		/* connections in hand */
	_Atomic uint64_t requests;	/* served since the fork */
	_Atomic int64_t	 turn_ns;	/* last time its loop turned */
	struct slot_request req;
};

/* Written by the master, read by workers. */
struct board {
	_Alignas(64)
	_Atomic int32_t	 stop_queue;	/* drain the listen queue as well */
	_Atomic uint32_t nslots;	/* those ever used */
	struct slot	 slots[];
};

#define BOARD_ROOM	16384	/* slots; those never touched cost no memory */

/* Map a board; NULL and errno where that fails. */
struct board *board_new(void);
/* How far to read; a hostile worker cannot make it more than there is. */
uint32_t board_used(const struct board *);

/* The worker's side: mark the start and the end of a request. */
void	slot_begin(struct slot *, int64_t now_ns, struct str method,
	    struct str uri);
void	slot_end(struct slot *);
/*
 * The reader's side: a consistent copy of the request, in slot-sized memory.
 * False if there is none or the writer did not hold still.
 */
struct slot_view {
	int64_t	start_ns;
	char	method[16];
	char	uri[SLOT_URI];
};
bool	slot_read(const struct slot *, struct slot_view *);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The other workers of an application, as their slots show them: who should
 * take a connection that waits. Nobody is asked and nobody is told.
 */
#ifndef WORKER_SIBLINGS_H
#define WORKER_SIBLINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "state/scoreboard.h"

#define SIBLINGS_MAX	64	/* looked at: a few are enough */

struct siblings {
	const struct board	*board;
	struct slot		*self;
	int64_t			 until_ms;	/* when to look for others */
	unsigned		 n;
	const struct slot	*v[SIBLINGS_MAX];
};

/* Mark our slot as one of this application's. */
void	siblings_init(struct siblings *, const struct board *, struct slot *,
	    const char *app);
/* Whether there are any. */
bool	siblings_any(struct siblings *, int64_t now_ms);
/* Whether one is idle and holds fewer connections than this. */
bool	siblings_has_better(struct siblings *, int64_t now_ms, uint32_t held);
/*
 * Whether one that can run several requests at once runs fewer than this, or
 * as many and holds fewer connections.
 */
bool	siblings_has_calmer(struct siblings *, int64_t now_ms, uint32_t busy,
	    uint32_t held);

#endif

/* SPDX-License-Identifier: MIT */
/* Workers that have served long enough, and what comes after them. */
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "master/master.h"

int64_t
recycle_age(const struct gen *g)
{
	int64_t ms = g->conf->s.max_worker_age, jitter = ms / 10;

	if (jitter > UINT32_MAX - 1)
		jitter = UINT32_MAX - 1;
	return ms > 0 ? ms + arc4random_uniform((uint32_t)jitter + 1) : 0;
}

void
recycle_want(struct child *c, bool stuck, const char *why)
{
	struct gen *g = c->gen;

	log_info("app %s: %s is to be replaced: %s", g->app->name,
	    child_name(c), why);
	if (c->renewal == RENEWAL_NONE)
		c->renewal = RENEWAL_WANTED;
	c->stuck = stuck;
	recycle_go_on(g);
}

/* Whether one that had its turn is still there. */
static bool
recycle_is_busy(const struct gen *g)
{
	const struct child *c;

	TAILQ_FOREACH(c, &g->workers, entry)
		if (c->renewal == RENEWAL_ORDERED && !c->stuck)
			return true;
	return false;
}

/* Who is stuck does not wait for its turn. */
static void
recycle_order(struct gen *g)
{
	bool busy = recycle_is_busy(g), more = false;
	struct child *c;

	TAILQ_FOREACH(c, &g->workers, entry) {
		if (c->renewal != RENEWAL_WANTED || c->state != CHILD_READY ||
		    (busy && !c->stuck))
			continue;
		c->renewal = RENEWAL_ORDERED;
		busy |= !c->stuck;
		more = true;
	}
	if (more)
		gen_fill(g);
}

/* As many may leave as have found somebody for their place. */
static void
recycle_dismiss(struct gen *g)
{
	struct child *c, *next;
	int ready = 0, old = 0, spare;

	TAILQ_FOREACH(c, &g->workers, entry) {
		ready += c->state == CHILD_READY && child_is_kept(c);
		old += c->state == CHILD_READY && !child_is_kept(c);
	}
	spare = ready + old - g->target;
	TAILQ_FOREACH_SAFE(c, &g->workers, entry, next)
		if (spare > 0 && c->state == CHILD_READY && !child_is_kept(c)) {
			child_stop(c, SIGTERM);
			spare--;
		}
}

void
recycle_go_on(struct gen *g)
{
	if (g->retired)
		return;
	recycle_dismiss(g);
	recycle_order(g);
}

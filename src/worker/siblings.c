/* SPDX-License-Identifier: MIT */
/* Who else could take a connection. */
#include "worker/siblings.h"

#define SIBLINGS_FRESH_MS	1000

/* FNV-1a; 0 is nobody's. */
static uint32_t
siblings_hash(const char *app)
{
	uint32_t h = 2166136261u;

	for (; *app != '\0'; app++)
		h = (h ^ (unsigned char)*app) * 16777619u;
	return h != 0 ? h : 1;
}

void
siblings_init(struct siblings *s, const struct board *board, struct slot *self,
    const char *app)
{
	s->board = board;
	s->self = self;
	s->until_ms = 0;
	s->n = 0;
	self->app = siblings_hash(app);
}

/* The board is long and workers come and go slowly: look once a second. */
static void
siblings_look(struct siblings *s, int64_t now_ms)
{
	uint32_t i, used = board_used(s->board);

	if (now_ms < s->until_ms)
		return;
	s->until_ms = now_ms + SIBLINGS_FRESH_MS;
	s->n = 0;
	for (i = 0; i < used && s->n < SIBLINGS_MAX; i++)
		if (&s->board->slots[i] != s->self &&
		    s->board->slots[i].app == s->self->app)
			s->v[s->n++] = &s->board->slots[i];
}

bool
siblings_any(struct siblings *s, int64_t now_ms)
{
	siblings_look(s, now_ms);
	return s->n > 0;
}

bool
siblings_has_calmer(struct siblings *s, int64_t now_ms, uint32_t busy,
    uint32_t held)
{
	const struct slot *v;
	unsigned i;

	siblings_look(s, now_ms);
	for (i = 0; i < s->n; i++) {
		v = s->v[i];
		if ((v->stage == SLOT_IDLE || v->stage == SLOT_BUSY) &&
		    (v->busy < busy || (v->busy == busy && v->held < held)))
			return true;
	}
	return false;
}

bool
siblings_has_better(struct siblings *s, int64_t now_ms, uint32_t held)
{
	unsigned i;

	siblings_look(s, now_ms);
	for (i = 0; i < s->n; i++)
		if (s->v[i]->stage == SLOT_IDLE && s->v[i]->held < held)
			return true;
	return false;
}

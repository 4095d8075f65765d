/* SPDX-License-Identifier: MIT */
/* The connections of a worker: their memory, and who waits for what. */
#include <stdlib.h>
#include <string.h>

#include "worker/conn.h"

#define CONNS_SILENCE_MS	5000	/* of a peer that is drained */
#define CONNS_LAST_MS		1000	/* of a silent one while we leave */

void
conns_init(struct conns *cs, const struct conn_conf *conf)
{
	int i;

	memset(cs, 0, offsetof(struct conns, scratch));
	cs->conf = conf;
	for (i = 0; i < QUEUES; i++)
		TAILQ_INIT(&cs->queues[i]);
	TAILQ_INIT(&cs->pool);
}

void
conns_fini(struct conns *cs)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&cs->pool)) != NULL) {
		TAILQ_REMOVE(&cs->pool, c, entry);
		free(c);
	}
	while (cs->nreqs > 0) {
		req_fini(cs->reqs[--cs->nreqs]);
		free(cs->reqs[cs->nreqs]);
	}
}

struct req *
conns_get_req(struct conns *cs)
{
	struct req *req;

	if (cs->nreqs > 0)
		return cs->reqs[--cs->nreqs];
	if ((req = malloc(sizeof(*req))) != NULL)
		req_init(req, &cs->conf->req);
	return req;
}

void
conns_put_req(struct conns *cs, struct req *req)
{
	if (cs->nreqs == CONN_POOL) {
		req_fini(req);
		free(req);
		return;
	}
	req_reset(req);
	cs->reqs[cs->nreqs++] = req;
}

struct conn *
conns_get(struct conns *cs)
{
	struct conn *c = TAILQ_FIRST(&cs->pool);

	if (c == NULL)
		return malloc(sizeof(*c));
	TAILQ_REMOVE(&cs->pool, c, entry);
	cs->npool--;
	return c;
}

void
conns_put(struct conns *cs, struct conn *c)
{
	if (cs->npool == CONN_POOL) {
		free(c);
		return;
	}
	TAILQ_INSERT_HEAD(&cs->pool, c, entry);
	cs->npool++;
}

int
conns_timeout(const struct conns *cs)
{
	int64_t first = INT64_MAX, left;
	const struct conn *c;
	int i;

	for (i = 0; i < QUEUES; i++) {
		c = TAILQ_FIRST(&cs->queues[i]);
		if (c != NULL && c->deadline_ms < first)
			first = c->deadline_ms;
	}
	if (first == INT64_MAX)
		return -1;
	/* One more, since now_ms was rounded down. */
	left = first - conns_now_ms(cs) + 1;
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

struct conn *
conns_expired(struct conns *cs)
{
	struct conn *c;
	int i;

	for (i = 0; i < QUEUES; i++) {
		c = TAILQ_FIRST(&cs->queues[i]);
		if (c != NULL && c->deadline_ms <= conns_now_ms(cs))
			return c;
	}
	return NULL;
}

int64_t
conns_shortest(const struct conns *cs)
{
	const struct conn_conf *conf = cs->conf;
	int64_t ms = CONNS_SILENCE_MS;

	if (cs->last)
		ms = CONNS_LAST_MS;
	else if (conf->keep_ms > 0 && conf->keep_ms < ms)
		ms = conf->keep_ms;
	if (conf->client_ms > 0 && conf->client_ms < ms)
		ms = conf->client_ms;
	return ms;
}

struct conn *
conns_any(const struct conns *cs)
{
	struct conn *c = NULL;
	int i;

	for (i = 0; i < QUEUES && c == NULL; i++)
		c = TAILQ_FIRST(&cs->queues[i]);
	return c;
}

/* Whether the deadline counts from the last byte, not from the first. */
static bool
conns_is_progress(const struct conn *c)
{
	return c->state == CONN_BODY || c->state == CONN_DRAIN ||
	    (c->state == CONN_NEW &&
	    c->drain_until_ms > conns_now_ms(c->conns));
}

static enum conn_queue
conns_choose(const struct conn *c, int64_t *ms)
{
	const struct conn_conf *conf = c->conns->conf;

	if (c->conns->last && conn_is_silent(c)) {
		*ms = CONNS_LAST_MS;
		return QUEUE_IDLE;
	}
	switch (c->state) {
	case CONN_IDLE:
		*ms = conf->keep_ms;
		return QUEUE_IDLE;
	case CONN_DRAIN:
		*ms = CONNS_SILENCE_MS;
		return QUEUE_DRAIN;
	default:
		*ms = conf->client_ms > 0 ? conf->client_ms : INT64_MAX;
		return QUEUE_CLIENT;
	}
}

void
conns_leave(struct conn *c)
{
	if (c->queued)
		TAILQ_REMOVE(&c->conns->queues[c->queue], c, entry);
	c->queued = false;
}

enum conn_want
conns_wait(struct conn *c)
{
	struct conns *cs = c->conns;
	int64_t ms;

	if (c->queued && !c->fresh && !conns_is_progress(c))
		return CONN_WAIT;
	conns_leave(c);
	c->queue = conns_choose(c, &ms);
	c->deadline_ms = ms == INT64_MAX ? ms : conns_now_ms(cs) + ms;
	TAILQ_INSERT_TAIL(&cs->queues[c->queue], c, entry);
	c->queued = true;
	c->fresh = false;
	return CONN_WAIT;
}

void
conns_drain(struct conns *cs)
{
	struct conn *c, *next;

	cs->last = true;
	TAILQ_FOREACH(c, &cs->queues[QUEUE_IDLE], entry)
		c->deadline_ms = conns_now_ms(cs) + CONNS_LAST_MS;
	TAILQ_FOREACH_SAFE(c, &cs->queues[QUEUE_CLIENT], entry, next)
		if (conn_is_silent(c)) {
			c->fresh = true;
			conns_wait(c);
		}
}

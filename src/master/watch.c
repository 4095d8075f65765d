/* SPDX-License-Identifier: MIT */
/*
 * The second line of the deadlines. A worker's own watchdog answers, raises and
 * ends; what it cannot do is go on while its process is stopped, or has no
 * processor. What is read from the board is hostile: it can make us end a
 * worker, and no more.
 */
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"

#define WATCH_MS	INT64_C(1000000)
#define WATCH_WAKE	(100 * WATCH_MS)	/* over its deadline */
#define WATCH_KILL	(500 * WATCH_MS)	/* over its abort_grace too */

static void
watch_on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	watch_look(arg);
}

void
watch_init(struct master *m)
{
	evtimer_assign(&m->watch, m->base, watch_on_timer, m);
}

static void
watch_kill(struct child *c, const struct slot_view *v, int64_t over)
{
	log_errorx("app %s: %s killed: %s %s is %.1f s over its timeout, and "
	    "its watchdog does nothing", c->gen->app->name, child_name(c),
	    v->method, v->uri, (double)over / 1e9);
	c->killed = true;
	child_signal(c, SIGKILL);
}

/* Once for each request. A process that runs does not notice. */
static void
watch_wake(struct child *c, const struct slot_view *v)
{
	if (c->woken_ns == v->start_ns)
		return;
	c->woken_ns = v->start_ns;
	child_signal(c, SIGCONT);
}

/*
 * A request that is over its deadline. Who stays behind because of others'
 * requests, or leaves, is ended by other clocks.
 */
static int64_t
watch_over(struct child *c, const struct slot_view *v, int64_t now)
{
	int64_t over = now - v->deadline_ns;
	int64_t last = c->gen->conf->s.abort_grace * WATCH_MS + WATCH_KILL;

	if (over < WATCH_WAKE)
		return now + WATCH_WAKE - over;
	watch_wake(c, v);
	if (c->state != CHILD_READY || c->stuck || c->killed)
		return INT64_MAX;
	if (over < last)
		return now + last - over;
	watch_kill(c, v, over);
	return INT64_MAX;
}

/* Of the requests that a worker runs the one that is due first. */
static bool
watch_first(const struct child *c, struct slot_view *first)
{
	const struct slot *s = &c->gen->app->master->board->slots[c->slot];
	struct slot_view v;
	bool found = false;
	uint32_t i;

	for (i = 0; i < c->nslots; i++) {
		if (!slot_read(&s[i], &v) || v.deadline_ns <= 0)
			continue;
		if (!found || v.deadline_ns < first->deadline_ns)
			*first = v;
		found = true;
	}
	return found;
}

/* When this worker has to be looked at again; INT64_MAX: not at all. */
static int64_t
watch_child(struct child *c, int64_t now)
{
	int64_t timeout = c->gen->conf->s.timeout * WATCH_MS;
	struct slot_view v;

	if (timeout == 0 || c->pid == 0 ||
	    (c->state != CHILD_READY && c->state != CHILD_STOPPING))
		return INT64_MAX;
	if (!watch_first(c, &v) || v.deadline_ns >= now + timeout)
		return now + timeout;
	if (v.deadline_ns > now)
		return v.deadline_ns + WATCH_WAKE;
	return watch_over(c, &v, now);
}

static void
watch_gen(struct gen *g, int64_t now, int64_t *next)
{
	struct child *c;
	int64_t due;

	if (g == NULL)
		return;
	TAILQ_FOREACH(c, &g->workers, entry)
		if ((due = watch_child(c, now)) < *next)
			*next = due;
}

/* A request that begins from now on is due after timeout at the earliest. */
void
watch_look(struct master *m)
{
	int64_t now = clock_ns(), next = INT64_MAX;
	struct timeval tv;
	struct app *app;
	struct gen *g;

	TAILQ_FOREACH(app, &m->apps, entry) {
		watch_gen(app->serving, now, &next);
		watch_gen(app->next, now, &next);
		TAILQ_FOREACH(g, &app->old, entry)
			watch_gen(g, now, &next);
	}
	if (next == INT64_MAX)
		return;
	tv.tv_sec = (next - now) / 1000000000;
	tv.tv_usec = (next - now) % 1000000000 / 1000;
	event_add(&m->watch, &tv);
}

/* SPDX-License-Identifier: MIT */
/*
 * The sync class: one request at a time, in the main thread. While nothing else
 * is in hand the worker sleeps in accept, which spreads connections evenly;
 * with a connection in hand it sleeps in epoll on listeners and connections, so
 * that no slow or idle peer ever occupies it.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/accept.h"
#include "worker/conn_conf.h"
#include "worker/serve.h"
#include "worker/siblings.h"
#include "worker/worker.h"

#define SYNC_EVENTS	64
#define SYNC_ACCEPTS	8	/* connections taken in one turn */
#define SYNC_YIELDS	2	/* times a connection is left to a sibling */
#define SYNC_YIELD_MS	1
#define SYNC_BOUND_NS	1000000	/* of an accept that somebody else may win */

#ifndef sigev_notify_thread_id		/* glibc before 2.37 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct sync {
	struct worker	*w;
	struct conn_conf conf;
	struct conns	 conns;
	struct siblings	 siblings;
	struct conn_from *from;		/* one for each listener */
	int		 ep;
	uint32_t	 held;		/* connections in the poll set */
	uint32_t	 listening;	/* events listeners are polled for */
	bool		 listed;	/* listeners are in the poll set */
	bool		 several;	/* workers, by the settings */
	bool		 polls;		/* a listener does not block */
	bool		 draining;
	int64_t		 rest_ms;	/* no listener is looked at before */
	int		 yields;
	bool		 stays;		/* the last one accepted is held */
	timer_t		 timer;		/* interrupts an accept */
} sync_self;

static int64_t
sync_now_ms(const struct sync *s)
{
	return s->conns.now_ns / 1000000;
}

static bool
sync_must_leave(const struct sync *s)
{
	return s->w->stop == STOP_FAST;
}

/* In the poll set data is a connection, or a listener's number made odd. */
static uint64_t
sync_tag(size_t listener)
{
	return (uint64_t)listener << 1 | 1;
}

static int
sync_init_timer(struct sync *s, struct err *err)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = WORKER_POKE };

	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &s->timer) == -1)
		return err_set(err, "timer_create: %s", strerror(errno));
	return 0;
}

static int
sync_init(struct worker *w, struct err *err)
{
	struct sync *s = &sync_self;

	s->w = w;
	if (w->gateway->call == NULL)
		return err_setc(err, 3, "the application is an %s one: "
		    "worker_class = async runs it", w->gateway->name);
	if (conn_conf_load(&s->conf, w, err) == -1)
		return -1;
	conns_init(&s->conns, &s->conf);
	s->conns.stop = &w->stop;
	worker_make_runs(w, 1);
	run_enter(w->runs);
	siblings_init(&s->siblings, w->board, w->slot, w->app->name);
	s->several = conf_workers(w->app, NULL, 0) > 1;
	s->from = accept_init(w->listeners, w->nlisteners);
	if ((s->ep = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return err_set(err, "epoll: %s", strerror(errno));
	return sync_init_timer(s, err);
}

/*
 * The request is whole: from here on it is the application's. now_ns is now:
 * the clock was read after the last request, or the last wait.
 */
static void
sync_call(struct sync *s, struct req *req)
{
	s->conns.now_ns = serve_request(s->w, s->w->runs, req,
	    s->conns.now_ns);
	if (s->draining)
		s->w->slot->stage = SLOT_DRAINING;
}

static void
sync_drop(struct sync *s, struct conn *c)
{
	if (c->polled)
		s->w->slot->held = --s->held;
	conn_free(c);
}

/* A connection is put into the poll set when it first has to wait. */
static void
sync_watch(struct sync *s, struct conn *c)
{
	bool out = conn_poll_out(c);
	struct epoll_event ev = { .events = out ? EPOLLOUT : EPOLLIN,
		.data.ptr = c };

	if (c->polled && c->polled_out == out)
		return;
	if (epoll_ctl(s->ep, c->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd,
	    &ev) == -1) {
		log_error("epoll_ctl");
		sync_drop(s, c);
		return;
	}
	if (!c->polled)
		s->w->slot->held = ++s->held;
	c->polled = true;
	c->polled_out = out;
}

static void
sync_serve(struct sync *s, struct conn *c, enum conn_want want)
{
	while (want == CONN_RUN) {
		sync_call(s, c->req);
		want = conn_finish(c);
	}
	if (want == CONN_OVER)
		sync_drop(s, c);
	else
		sync_watch(s, c);
}

static struct conn *
sync_accept(struct sync *s, const struct conn_from *from)
{
	int error;
	struct conn *c = accept_conn(&s->conns, from, &error);

	if (accept_must_rest(error))
		s->rest_ms = sync_now_ms(s) + ACCEPT_REST_MS;
	s->polls |= error == EAGAIN;
	return c;
}

static void
sync_arm(struct sync *s, long ns)
{
	const struct itimerspec t = {
		.it_value.tv_nsec = ns, .it_interval.tv_nsec = ns
	};

	timer_settime(s->timer, 0, &t, NULL);
}

/*
 * The listener is readable, but the descriptor is shared and blocks, so that
 * siblings can sleep in accept: one of them may be faster, and must not leave
 * us asleep with connections in hand.
 */
static struct conn *
sync_accept_bounded(struct sync *s, const struct conn_from *from)
{
	struct conn *c;

	if (!s->several && !siblings_any(&s->siblings, sync_now_ms(s)))
		return sync_accept(s, from);
	sync_arm(s, SYNC_BOUND_NS);
	c = sync_accept(s, from);
	sync_arm(s, 0);
	return c;
}

/*
 * An idle worker that holds fewer connections is a better place for one that
 * stays. It is awake in a moment; if not, the connection is ours.
 */
static bool
sync_yields(struct sync *s)
{
	if (!s->stays || s->yields == SYNC_YIELDS || !siblings_has_better(
	    &s->siblings, sync_now_ms(s), s->held)) {
		s->yields = 0;
		return false;
	}
	s->yields++;
	s->rest_ms = sync_now_ms(s) + SYNC_YIELD_MS;
	return true;
}

/*
 * Several at a turn: each turn serves all that is ready on kept connections,
 * and a newcomer must not wait for that many requests.
 */
static void
sync_on_listener(struct sync *s, const struct conn_from *from)
{
	struct pollfd p = { .fd = from->listener->fd, .events = POLLIN };
	struct conn *c;
	int i;

	for (i = 0; i < SYNC_ACCEPTS; i++) {
		if (s->draining || sync_must_leave(s) ||
		    s->rest_ms > sync_now_ms(s) || sync_yields(s) ||
		    (i > 0 && poll(&p, 1, 0) != 1) ||
		    (c = sync_accept_bounded(s, from)) == NULL)
			return;
		sync_serve(s, c, conn_feed(c));
	}
}

/* Poll the listeners for this, or for nothing. */
static void
sync_listen(struct sync *s, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	size_t i;

	if (s->listed && s->listening == events)
		return;
	for (i = 0; i < s->w->nlisteners; i++) {
		ev.data.u64 = sync_tag(i);
		if (epoll_ctl(s->ep, s->listed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		    s->w->listeners[i]->fd, &ev) == -1)
			log_error("epoll_ctl");
	}
	s->listed = true;
	s->listening = events;
}

static int
sync_timeout(const struct sync *s)
{
	int ms = conns_timeout(&s->conns);
	int64_t rest = s->rest_ms - sync_now_ms(s);

	if (!s->draining && rest > 0 && (ms == -1 || rest < ms))
		ms = (int)rest;
	return ms;
}

/* One wait on everything in hand, and what came of it. */
static void
sync_turn(struct sync *s)
{
	struct epoll_event ev[SYNC_EVENTS];
	struct conn *c;
	int i, n;

	s->conns.now_ns = clock_ns();
	sync_listen(s, s->draining || s->rest_ms > sync_now_ms(s) ? 0 :
	    EPOLLIN);
	n = epoll_wait(s->ep, ev, nitems(ev), sync_timeout(s));
	s->conns.now_ns = clock_ns();
	for (i = 0; i < n && !sync_must_leave(s); i++) {
		if (ev[i].data.u64 & 1)
			sync_on_listener(s, &s->from[ev[i].data.u64 >> 1]);
		else {
			c = ev[i].data.ptr;
			sync_serve(s, c, conn_feed(c));
		}
	}
	while (!sync_must_leave(s) && (c = conns_expired(&s->conns)) != NULL)
		sync_serve(s, c, conn_expire(c));
}

/* Requests that wait on a socket that goes away have nobody but us. */
static void
sync_empty_queue(struct sync *s, const struct conn_from *from)
{
	struct pollfd p = { .fd = from->listener->fd, .events = POLLIN };
	unsigned left = listener_queued(from->listener);
	struct conn *c;

	for (; left > 0 && !sync_must_leave(s) &&
	    s->rest_ms <= sync_now_ms(s) && poll(&p, 1, 0) == 1; left--)
		if ((c = sync_accept_bounded(s, from)) != NULL)
			sync_serve(s, c, conn_feed(c));
}

static void
sync_begin_drain(struct sync *s)
{
	size_t i;

	s->draining = true;
	s->conns.now_ns = clock_ns();
	s->w->slot->stage = SLOT_DRAINING;
	conns_drain(&s->conns);
	if (s->w->board->stop_queue)
		for (i = 0; i < s->w->nlisteners; i++)
			sync_empty_queue(s, &s->from[i]);
}

/* What the watchdog has to say. False: there is nothing left to do. */
static bool
sync_goes_on(struct sync *s)
{
	struct worker *w = s->w;

	w->slot->turn_ns = s->conns.now_ns;
	if (w->stop == STOP_NO)
		return true;
	w->awake = true;
	if (!s->draining && !sync_must_leave(s))
		sync_begin_drain(s);
	return s->held > 0 && !sync_must_leave(s);
}

/* Accept, read, call, write, close: in order. */
static void
worker_sync_run(struct worker *w)
{
	struct sync *s = &sync_self;
	struct conn *c;

	s->conns.now_ns = clock_ns();
	while (sync_goes_on(s)) {
		if (s->held > 0 || w->nlisteners > 1 || s->polls ||
		    s->rest_ms > sync_now_ms(s))
			sync_turn(s);
		else if ((c = sync_accept(s, &s->from[0])) != NULL)
			sync_serve(s, c, conn_feed(c));
	}
	while ((c = conns_any(&s->conns)) != NULL)
		sync_drop(s, c);
}

/*
 * The thread may be on its way into a system call when stop is set, hence again
 * and again. An application at work is left alone: not all C code repeats an
 * interrupted call, and stop is looked at after it.
 */
static void
sync_wake(struct worker *w)
{
	if (run_state(w->runs->claim) == RUN_NONE)
		pthread_kill(w->main, WORKER_POKE);
}

const struct worker_class worker_sync = {
	.name = "sync",
	.init = sync_init,
	.run = worker_sync_run,
	.wake = sync_wake
};

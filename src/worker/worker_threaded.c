/* SPDX-License-Identifier: MIT */
/*
 * The threaded class: several requests at once, each in a thread of a pool.
 *
 * The threads are a leader and followers. The leader alone waits for the
 * listeners and connections, accepts, reads and parses, all without the GIL.
 * When a request is whole it gives the lead up and runs the request itself; a
 * thread that has run one leads again if nobody does. So whoever reads a
 * request runs it, a worker that is busy with short requests is one thread
 * going round without a switch, and nothing is accepted that no thread is free
 * for: who leads is free.
 *
 *	idle ◀──called── rest        lead ──whole request──▶ run
 *	  │                ▲           ▲                       │
 *	  └──nobody leads: watch ──────┴──── nobody leads ─────┘
 *
 * While requests run and nobody leads, others may wait that could be served.
 * If requests are short this ends by itself, and one follower, the watcher,
 * looks now and then whether anybody led since its last look. If they are
 * not, who gives the lead up calls the next leader at once.
 *
 * The main thread takes no part: it waits for the end, and for Python's signal
 * handlers, which only it may run.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/accept.h"
#include "worker/conn_conf.h"
#include "worker/serve.h"
#include "worker/siblings.h"
#include "worker/worker.h"

#define THREADED_EVENTS		64
#define THREADED_ACCEPTS	32	/* in a row, if each finds one */
#define THREADED_TURN_NS	1000000	/* and at most so long */
#define THREADED_YIELDS		2	/* times one is left to a sibling */
#define THREADED_YIELD_MS	1
#define THREADED_LOOK_NS	500000	/* between two looks of the watcher */
#define THREADED_SHORT_NS	50000	/* requests that are not worth a switch */
#define THREADED_WEIGHT		16	/* of the past in the mean time */

struct thread {
	pthread_t	 id;
	unsigned	 number;
	struct run	*run;
	sem_t		 wake;
	bool		 called;	/* while it rests or watches */
	TAILQ_ENTRY(thread) entry;	/* in idle */
};

/* Everything from lock on is under it, but not while the leader waits. */
static struct threaded {
	struct worker	*w;
	struct conn_conf conf;
	struct thread	*threads;
	sem_t		 up;		/* a thread has started, or failed */
	struct err	 failed;	/* code 0: none has */
	int		 bell;		/* wakes the main thread */
	int		 ep, ep_bell;	/* wakes the leader */
	struct conn_from *from;		/* one for each listener */
	_Atomic uint64_t leads;		/* counts who took the lead */
	_Atomic bool	 over;		/* all has been finished */

	pthread_mutex_t	 lock;
	struct conns	 conns;
	struct conn_list ended;		/* may still be in events */
	struct siblings	 siblings;
	struct thread	*leader, *watcher, *last;	/* last: to lead */
	TAILQ_HEAD(, thread) idle;	/* who came last is called first */
	int64_t		 led_ns;	/* when the lead was given up */
	int64_t		 mean_ns;	/* of requests in Python, long ones cut */
	uint32_t	 busy;		/* requests that run */
	uint32_t	 open;		/* connections, theirs included */
	uint32_t	 held;		/* connections in the poll set */
	struct epoll_event events[THREADED_EVENTS];	/* of the last wait */
	int		 nevents, at;
	int		 accepts, burst; /* of a listener: done, and allowed */
	int64_t		 burst_ns;	/* when its turn began */
	uint32_t	 listening;	/* events the listeners are polled for */
	bool		 listed;	/* listeners are in the poll set */
	int64_t		 rest_ms;	/* listeners are left alone until then */
	int		 yields;
	bool		 draining;
	unsigned	*queued;	/* to be accepted while draining */
	size_t		 emptied;	/* listeners with nothing queued */
} threaded_self;

static int64_t
threaded_now_ms(const struct threaded *t)
{
	return t->conns.now_ns / 1000000;
}

static void
threaded_ring(int bell)
{
	const uint64_t one = 1;

	if (write(bell, &one, sizeof(one)) == -1)
		log_error("eventfd");
}

/* In the poll set data is a connection, or a listener's number made odd. */
static uint64_t
threaded_tag(size_t listener)
{
	return (uint64_t)listener << 1 | 1;
}

/*
 * The poll set.
 */

/* A peer that speaks while its request runs is not listened to. */
static void
threaded_unwatch(struct threaded *t, struct conn *c)
{
	if (epoll_ctl(t->ep, EPOLL_CTL_DEL, c->fd, NULL) == -1)
		log_error("epoll_ctl");
	c->polled = false;
	t->w->slot->held = --t->held;
}

/*
 * Whether there is nothing left to do but for requests that do not end; those
 * may have the interpreter, which then nobody can shut down.
 */
static void
threaded_check_over(struct threaded *t)
{
	unsigned stuck = t->w->stuck;

	if (!t->draining || t->open > stuck ||
	    t->emptied < t->w->nlisteners)
		return;
	if (stuck > 0)
		_exit(1);
	t->over = true;
	threaded_ring(t->bell);
}

/* Events that were taken may still point to one that was in the poll set. */
static void
threaded_drop(struct threaded *t, struct conn *c)
{
	t->open--;
	if (c->polled) {
		t->w->slot->held = --t->held;
		conn_end(c);
		TAILQ_INSERT_TAIL(&t->ended, c, entry);
	} else
		conn_free(c);
	threaded_check_over(t);
}

static void
threaded_free_ended(struct threaded *t)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&t->ended)) != NULL) {
		TAILQ_REMOVE(&t->ended, c, entry);
		conn_free(c);
	}
}

static void
threaded_watch_conn(struct threaded *t, struct conn *c)
{
	bool out = conn_poll_out(c);
	struct epoll_event ev = { .events = out ? EPOLLOUT : EPOLLIN,
		.data.ptr = c };

	if (c->polled && c->polled_out == out)
		return;
	if (epoll_ctl(t->ep, c->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd,
	    &ev) == -1) {
		log_error("epoll_ctl");
		threaded_drop(t, c);
		return;
	}
	if (!c->polled)
		t->w->slot->held = ++t->held;
	c->polled = true;
	c->polled_out = out;
}

/* The connection, if its request is to be run now. */
static struct conn *
threaded_settle(struct threaded *t, struct conn *c, enum conn_want want)
{
	if (want == CONN_RUN)
		return c;
	if (want == CONN_OVER)
		threaded_drop(t, c);
	else
		threaded_watch_conn(t, c);
	return NULL;
}

/*
 * Accepting.
 */

static struct conn *
threaded_accept(struct threaded *t, const struct conn_from *from, int *error)
{
	struct conn *c = accept_conn(&t->conns, from, error);

	if (c != NULL)
		t->open++;
	else if (accept_must_rest(*error))
		t->rest_ms = threaded_now_ms(t) + ACCEPT_REST_MS;
	return c;
}

/*
 * A worker that runs fewer requests is a better place for the next one. It is
 * awake in a moment; if not, the connection is ours.
 */
static bool
threaded_yields(struct threaded *t)
{
	if (t->yields == THREADED_YIELDS || !siblings_has_calmer(&t->siblings,
	    threaded_now_ms(t), t->busy, t->held)) {
		t->yields = 0;
		return false;
	}
	t->yields++;
	t->rest_ms = threaded_now_ms(t) + THREADED_YIELD_MS;
	return true;
}

static bool
threaded_may_accept(const struct threaded *t)
{
	return !t->draining && t->rest_ms <= threaded_now_ms(t);
}

/*
 * A listener stays at hand, without another wait, while it has connections:
 * one for a start, twice as many whenever they were all there.
 */
static void
threaded_count_accept(struct threaded *t, int error)
{
	if (error == 0 && ++t->accepts < t->burst &&
	    t->conns.now_ns - t->burst_ns < THREADED_TURN_NS)
		return;
	if (error != 0)
		t->burst = 1;
	else if (t->burst < THREADED_ACCEPTS)
		t->burst *= 2;
	t->accepts = 0;
	t->at++;
}

static struct conn *
threaded_on_listener(struct threaded *t, const struct conn_from *from)
{
	struct conn *c;
	int error;

	if (t->accepts == 0)
		t->burst_ns = t->conns.now_ns;
	if (!threaded_may_accept(t) || threaded_yields(t)) {
		t->accepts = 0;
		t->at++;
		return NULL;
	}
	c = threaded_accept(t, from, &error);
	threaded_count_accept(t, error);
	return c == NULL ? NULL : threaded_settle(t, c, conn_feed(c));
}

/* Requests that wait on a socket that goes away have nobody but us. */
static struct conn *
threaded_empty_queues(struct threaded *t)
{
	struct conn *c;
	int error;

	while (t->emptied < t->w->nlisteners) {
		if (t->queued[t->emptied]-- == 0) {
			t->emptied++;
			continue;
		}
		c = threaded_accept(t, &t->from[t->emptied], &error);
		if (c != NULL && threaded_settle(t, c, conn_feed(c)) != NULL)
			return c;
		if (c == NULL && error != 0)
			t->queued[t->emptied] = 0;
	}
	threaded_check_over(t);
	return NULL;
}

/*
 * The leader's work.
 */

/* Poll the listeners for this, or for nothing. */
static void
threaded_listen(struct threaded *t, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	size_t i;

	if (t->listed && t->listening == events)
		return;
	for (i = 0; i < t->w->nlisteners; i++) {
		ev.data.u64 = threaded_tag(i);
		if (epoll_ctl(t->ep, t->listed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		    t->w->listeners[i]->fd, &ev) == -1)
			log_error("epoll_ctl");
	}
	t->listed = true;
	t->listening = events;
}

/* Threads that run requests come back with connections that have deadlines. */
static int
threaded_timeout(const struct threaded *t)
{
	int ms = conns_timeout(&t->conns);
	int64_t rest = t->rest_ms - threaded_now_ms(t);
	int64_t shortest = conns_shortest(&t->conns);

	if (!t->draining && rest > 0 && (ms == -1 || rest < ms))
		ms = (int)rest;
	if (t->busy > 0 && (ms == -1 || shortest < ms))
		ms = (int)shortest;
	return ms;
}

static void
threaded_wait(struct threaded *t)
{
	int ms;

	threaded_free_ended(t);
	t->conns.now_ns = clock_ns();
	t->w->slot->turn_ns = t->conns.now_ns;
	threaded_listen(t, threaded_may_accept(t) ? EPOLLIN : 0);
	ms = threaded_timeout(t);
	t->at = t->nevents = 0;
	pthread_mutex_unlock(&t->lock);
	ms = epoll_wait(t->ep, t->events, nitems(t->events), ms);
	pthread_mutex_lock(&t->lock);
	t->nevents = ms > 0 ? ms : 0;
	t->conns.now_ns = clock_ns();
}

static struct conn *
threaded_on_conn(struct threaded *t, struct conn *c)
{
	t->at++;
	if (c == NULL || c->fd == -1)
		return NULL;
	if (c->state != CONN_WHOLE)
		return threaded_settle(t, c, conn_feed(c));
	threaded_unwatch(t, c);
	return NULL;
}

static struct conn *
threaded_on_event(struct threaded *t, const struct epoll_event *ev)
{
	if (ev->data.u64 & 1)
		return threaded_on_listener(t, &t->from[ev->data.u64 >> 1]);
	return threaded_on_conn(t, ev->data.ptr);
}

static struct conn *
threaded_on_expired(struct threaded *t)
{
	struct conn *c, *ready = NULL;

	while (ready == NULL && (c = conns_expired(&t->conns)) != NULL)
		ready = threaded_settle(t, c, conn_expire(c));
	return ready;
}

/* Until there is a connection with a whole request. */
static struct conn *
threaded_next(struct threaded *t)
{
	struct conn *c = NULL;

	while (c == NULL) {
		if (t->at < t->nevents)
			c = threaded_on_event(t, &t->events[t->at]);
		else if (t->draining && t->emptied < t->w->nlisteners)
			c = threaded_empty_queues(t);
		else if ((c = threaded_on_expired(t)) == NULL)
			threaded_wait(t);
	}
	return c;
}

/*
 * Who leads.
 */

/* Whether requests take so long that a switch of threads is cheap. */
static bool
threaded_is_slow(const struct threaded *t)
{
	return t->mean_ns > THREADED_SHORT_NS;
}

/* Whoever led last may soon be back. */
static bool
threaded_is_vacant(const struct threaded *t, const struct thread *me)
{
	return t->leader == NULL && (t->last == me || threaded_is_slow(t) ||
	    t->conns.now_ns - t->led_ns >= THREADED_LOOK_NS);
}

static void
threaded_rest(struct threaded *t, struct thread *me)
{
	if (t->watcher == me)
		t->watcher = NULL;
	me->called = false;
	TAILQ_INSERT_HEAD(&t->idle, me, entry);
	do {
		pthread_mutex_unlock(&t->lock);
		sem_wait(&me->wake);
		pthread_mutex_lock(&t->lock);
	} while (!me->called);
}

/* Until nobody took the lead between two looks. */
static void
threaded_look(struct threaded *t, struct thread *me)
{
	uint64_t seen;
	struct timespec until;
	int64_t ns;

	do {
		seen = t->leads;
		ns = clock_ns() + THREADED_LOOK_NS;
		until.tv_sec = ns / 1000000000;
		until.tv_nsec = ns % 1000000000;
		if (sem_clockwait(&me->wake, CLOCK_MONOTONIC, &until) == 0)
			return;
	} while (seen != t->leads);
}

static void
threaded_watch(struct threaded *t, struct thread *me)
{
	t->watcher = me;
	me->called = false;
	pthread_mutex_unlock(&t->lock);
	threaded_look(t, me);
	pthread_mutex_lock(&t->lock);
}

/* A leader that has nothing to do needs no watcher. */
static void
threaded_take_lead(struct threaded *t, struct thread *me)
{
	while (!threaded_is_vacant(t, me)) {
		if (t->leader == NULL &&
		    (t->watcher == NULL || t->watcher == me))
			threaded_watch(t, me);
		else
			threaded_rest(t, me);
		t->conns.now_ns = clock_ns();
	}
	if (t->watcher == me)
		t->watcher = NULL;
	t->leader = t->last = me;
	t->leads++;
}

/* To lead, or to watch at least. */
static void
threaded_call(struct threaded *t)
{
	struct thread *next = t->watcher;

	if (next == NULL && (next = TAILQ_FIRST(&t->idle)) != NULL) {
		TAILQ_REMOVE(&t->idle, next, entry);
		t->watcher = next;
	} else if (next == NULL || next->called || !threaded_is_slow(t))
		return;
	next->called = true;
	sem_post(&next->wake);
}

static void
threaded_give_lead(struct threaded *t)
{
	t->leader = NULL;
	t->led_ns = t->conns.now_ns;
	threaded_call(t);
}

/*
 * Running requests.
 */

/* How much longer than a look one takes does not matter. */
static void
threaded_note(struct threaded *t, const struct req *req, int64_t end_ns)
{
	int64_t ns = req->entered_ns > 0 ? end_ns - req->entered_ns : 0;

	if (ns > THREADED_LOOK_NS)
		ns = THREADED_LOOK_NS;
	t->mean_ns += (ns - t->mean_ns) / THREADED_WEIGHT;
}

static enum conn_want
threaded_run_one(struct threaded *t, struct thread *me, struct conn *c)
{
	int64_t now_ns = t->conns.now_ns;
	enum conn_want want;

	t->w->slot->busy = ++t->busy;
	pthread_mutex_unlock(&t->lock);
	now_ns = serve_request(t->w, me->run, c->req, now_ns);
	pthread_mutex_lock(&t->lock);
	t->w->slot->busy = --t->busy;
	t->conns.now_ns = now_ns;
	if (t->draining)
		me->run->slot->stage = SLOT_DRAINING;
	threaded_note(t, c->req, now_ns);
	want = conn_finish(c);
	return t->w->stop == STOP_FAST ? CONN_OVER : want;
}

static void
threaded_serve(struct threaded *t, struct thread *me)
{
	struct conn *c;

	for (;;) {
		threaded_take_lead(t, me);
		c = threaded_next(t);
		threaded_give_lead(t);
		while (c != NULL)
			c = threaded_settle(t, c, threaded_run_one(t, me, c));
	}
}

static void *
threaded_run_thread(void *arg)
{
	struct threaded *t = &threaded_self;
	struct thread *me = arg;
	char name[16];
	struct err err;

	snprintf(name, sizeof(name), "saola-%u", me->number);
	pthread_setname_np(pthread_self(), name);
	if (py_thread_start(name, &err) == -1) {
		t->failed = err;
		sem_post(&t->up);
		return NULL;
	}
	run_enter(me->run);
	pthread_mutex_lock(&t->lock);
	sem_post(&t->up);
	threaded_rest(t, me);
	threaded_serve(t, me);
	return NULL;
}

/*
 * The main thread.
 */

static int
threaded_start_thread(struct threaded *t, unsigned i, struct err *err)
{
	struct thread *th = &t->threads[i];
	int rc;

	th->number = i;
	th->run = &t->w->runs[i];
	th->run->slot->stage = SLOT_IDLE;
	sem_init(&th->wake, 0, 0);
	rc = pthread_create(&th->id, NULL, threaded_run_thread, th);
	return rc == 0 ? 0 : err_set(err, "cannot start thread %u of %u: %s",
	    i + 1, t->w->nslots, strerror(rc));
}

static int
threaded_start(struct threaded *t, struct err *err)
{
	unsigned i;

	worker_make_runs(t->w, t->w->nslots);
	t->threads = xcalloc(t->w->nslots, sizeof(*t->threads));
	sem_init(&t->up, 0, 0);
	for (i = 0; i < t->w->nslots; i++)
		if (threaded_start_thread(t, i, err) == -1)
			return -1;
	for (i = 0; i < t->w->nslots; i++)
		while (sem_wait(&t->up) == -1)
			;
	if (t->failed.code != 0)
		*err = t->failed;
	return t->failed.code == 0 ? 0 : -1;
}

static int
threaded_init_poll(struct threaded *t, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	if ((t->ep = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return err_set(err, "epoll: %s", strerror(errno));
	if ((t->bell = eventfd(0, EFD_CLOEXEC)) == -1 ||
	    (t->ep_bell = eventfd(0, EFD_CLOEXEC)) == -1)
		return err_set(err, "eventfd: %s", strerror(errno));
	if (epoll_ctl(t->ep, EPOLL_CTL_ADD, t->ep_bell, &ev) == -1)
		return err_set(err, "epoll_ctl: %s", strerror(errno));
	return 0;
}

static int
threaded_init(struct worker *w, struct err *err)
{
	struct threaded *t = &threaded_self;

	t->w = w;
	t->burst = 1;
	TAILQ_INIT(&t->ended);
	TAILQ_INIT(&t->idle);
	pthread_mutex_init(&t->lock, NULL);
	if (conn_conf_load(&t->conf, w, err) == -1)
		return -1;
	conns_init(&t->conns, &t->conf);
	t->conns.stop = &w->stop;
	siblings_init(&t->siblings, w->board, w->slot, w->app->name);
	t->from = accept_init(w->listeners, w->nlisteners);
	t->queued = xcalloc(w->nlisteners, sizeof(*t->queued));
	if (threaded_init_poll(t, err) == -1)
		return -1;
	return threaded_start(t, err);
}

static void
threaded_begin_drain(struct threaded *t)
{
	unsigned i;

	t->draining = true;
	t->conns.now_ns = clock_ns();
	for (i = 0; i < t->w->nlisteners; i++)
		t->queued[i] = t->w->board->stop_queue ?
		    listener_queued(t->w->listeners[i]) : 0;
	for (i = 0; i < t->w->nslots; i++)
		if (t->threads[i].run->slot->stage == SLOT_IDLE)
			t->threads[i].run->slot->stage = SLOT_DRAINING;
	conns_drain(&t->conns);
	threaded_ring(t->ep_bell);
}

/* Connections whose requests run stay with their threads. */
static void
threaded_drop_all(struct threaded *t)
{
	struct conn *c;

	t->draining = true;
	t->emptied = t->w->nlisteners;
	while ((c = conns_any(&t->conns)) != NULL)
		threaded_drop(t, c);
}

static void
threaded_run(struct worker *w UNUSED)
{
	struct threaded *t = &threaded_self;
	struct pollfd bell = { .fd = t->bell, .events = POLLIN };
	uint64_t rings;

	pthread_mutex_lock(&t->lock);
	threaded_call(t);
	pthread_mutex_unlock(&t->lock);
	while (!t->over) {
		if (poll(&bell, 1, -1) == -1)
			py_run_signals();
		else if (read(t->bell, &rings, sizeof(rings)) == -1)
			log_error("eventfd");
	}
}

/*
 * In the watchdog's thread: ours may wait for the GIL, which somebody has for
 * good. The lock nobody keeps for long.
 */
static void
threaded_wake(struct worker *w)
{
	struct threaded *t = &threaded_self;

	w->awake = true;
	pthread_mutex_lock(&t->lock);
	if (w->stop == STOP_FAST)
		threaded_drop_all(t);
	else if (!t->draining)
		threaded_begin_drain(t);
	threaded_check_over(t);
	pthread_mutex_unlock(&t->lock);
}

const struct worker_class worker_threaded = {
	.name = "threaded",
	.init = threaded_init,
	.run = threaded_run,
	.wake = threaded_wake
};

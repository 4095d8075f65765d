/* SPDX-License-Identifier: MIT */
/* The poll core: what one thread waits for, on a libevent base of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/clock.h"
#include "base/queue.h"
#include "event/evbase.h"
#include "event/pollcore.h"

/*
 * libevent takes 32 events from the kernel at a time, doubles that whenever so
 * many came, and stops at 4096.
 */
#define BATCH_MIN	32
#define BATCH_MAX	4096

#define SIGNALS_MAX	128	/* signal bytes kept; more wait in the pipe */

/*
 * Two events for one descriptor: adding the second is one EPOLL_CTL_MOD, where
 * a change of a single event would be a DEL and an ADD.
 */
struct pollev {
	struct pollcore		*core;
	pollev_fn		*fn;
	void			*arg;
	int			 fd;		/* -1: a timer */
	unsigned		 watched;	/* POLLEV_READ | POLLEV_WRITE */
	unsigned		 ready;		/* not 0: in the ready queue */
	TAILQ_ENTRY(pollev)	 queue;		/* the ready queue */
	LIST_ENTRY(pollev)	 entry;		/* of the core's lists */
	SLIST_ENTRY(pollev)	 same;		/* others of this fd */
	int64_t			 at;		/* timer: when it is due */
	size_t			 slot;		/* timer: in the heap, from 1 */
	struct event		 rd;
	struct event		 wr;
};
TAILQ_HEAD(pollev_queue, pollev);
LIST_HEAD(pollev_list, pollev);
SLIST_HEAD(pollev_same, pollev);

struct pollcore {
	struct event_base	*base;
	struct pollev_queue	 ready;
	size_t			 nready;
	struct pollev_list	 used;
	struct pollev_list	 spare;		/* freed, for reuse */
	struct pollev_same	*byfd;		/* of used: who watches a fd */
	int			 nfds;
	unsigned		 batch;		/* events libevent takes now */
	unsigned		 seen;		/* of descriptors, this batch */
	int			 why;		/* POLLCORE_ROUSED ... */
	bool			 roused;	/* stays until a wait returns */
	struct pollev		**heap;		/* timers, from 1, as due */
	size_t			 nheap, heapcap;
	int			 clock;		/* timerfd */
	int64_t			 armed;		/* it goes off then; 0: not */
	struct event		 alarm;		/* of clock */
	struct event		 waker;		/* of wake[0] */
	int			 wake[2];
	uint8_t			 signals[SIGNALS_MAX];
	size_t			 nsignals;
};

static void
pollcore_on_alarm(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pollcore *core = arg;

	core->armed = 0;
}

/* Bytes behind a full signal buffer wait until it has been taken. */
static void
pollcore_on_wake(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct pollcore *core = arg;
	uint8_t buf[SIGNALS_MAX];
	size_t room = sizeof(buf) - core->nsignals;
	ssize_t n, i;

	if (room == 0) {
		core->why |= POLLCORE_SIGNAL;
		return;
	}
	n = read(fd, buf, room);
	for (i = 0; i < n; i++) {
		if (buf[i] == 0) {
			core->why |= POLLCORE_ROUSED;
			continue;
		}
		core->signals[core->nsignals++] = buf[i];
		core->why |= POLLCORE_SIGNAL;
	}
}

/* The clock is edge-triggered: it need not be read. */
static int
pollcore_open(struct pollcore *core)
{
	if ((core->base = evbase_new()) == NULL ||
	    pipe2(core->wake, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    (core->clock = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK)) == -1)
		return -1;
	event_assign(&core->waker, core->base, core->wake[0],
	    EV_READ | EV_PERSIST, pollcore_on_wake, core);
	event_assign(&core->alarm, core->base, core->clock,
	    EV_READ | EV_ET | EV_PERSIST, pollcore_on_alarm, core);
	return event_add(&core->waker, NULL) == -1 ||
	    event_add(&core->alarm, NULL) == -1 ? -1 : 0;
}

struct pollcore *
pollcore_new(void)
{
	struct pollcore *core;

	if ((core = calloc(1, sizeof(*core))) == NULL)
		return NULL;
	core->wake[0] = core->wake[1] = core->clock = -1;
	core->batch = BATCH_MIN;
	TAILQ_INIT(&core->ready);
	LIST_INIT(&core->used);
	LIST_INIT(&core->spare);
	if (pollcore_open(core) == -1) {
		pollcore_free(core);
		return NULL;
	}
	return core;
}

static void
pollcore_free_list(struct pollev_list *list)
{
	struct pollev *ev;

	while ((ev = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(ev, entry);
		free(ev);
	}
}

/* event_base_free detaches the events that are still added. */
void
pollcore_free(struct pollcore *core)
{
	int saved = errno;

	if (core == NULL)
		return;
	if (core->base != NULL)
		event_base_free(core->base);
	pollcore_free_list(&core->used);
	pollcore_free_list(&core->spare);
	free(core->byfd);
	free(core->heap);
	if (core->wake[0] != -1) {
		close(core->wake[0]);
		close(core->wake[1]);
	}
	if (core->clock != -1)
		close(core->clock);
	free(core);
	errno = saved;
}

/* The heap: slot n is due no later than slots 2n and 2n + 1. */
static void
pollcore_heap_set(struct pollcore *core, size_t slot, struct pollev *ev)
{
	core->heap[slot] = ev;
	ev->slot = slot;
}

/* Put ev where it belongs, slot being free and within the heap. */
static void
pollcore_heap_place(struct pollcore *core, size_t slot, struct pollev *ev)
{
	struct pollev **heap = core->heap;
	size_t child;

	for (; slot > 1 && heap[slot / 2]->at > ev->at; slot /= 2)
		pollcore_heap_set(core, slot, heap[slot / 2]);
	while ((child = 2 * slot) <= core->nheap) {
		if (child < core->nheap && heap[child + 1]->at <
		    heap[child]->at)
			child++;
		if (heap[child]->at >= ev->at)
			break;
		pollcore_heap_set(core, slot, heap[child]);
		slot = child;
	}
	pollcore_heap_set(core, slot, ev);
}

static int
pollcore_heap_add(struct pollcore *core, struct pollev *ev)
{
	size_t cap = core->heapcap > 0 ? 2 * core->heapcap : 64;
	struct pollev **heap;

	if (core->nheap + 1 >= core->heapcap) {
		heap = realloc(core->heap, cap * sizeof(struct pollev *));
		if (heap == NULL)
			return -1;
		core->heap = heap;
		core->heapcap = cap;
	}
	pollcore_heap_place(core, ++core->nheap, ev);
	return 0;
}

static void
pollcore_heap_remove(struct pollcore *core, struct pollev *ev)
{
	struct pollev *last = core->heap[core->nheap--];

	if (last != ev)
		pollcore_heap_place(core, ev->slot, last);
	ev->slot = 0;
}

static void
pollev_unqueue(struct pollev *ev)
{
	if (ev->ready == 0)
		return;
	TAILQ_REMOVE(&ev->core->ready, ev, queue);
	ev->core->nready--;
	ev->ready = 0;
}

static void
pollev_fire(struct pollev *ev, unsigned what)
{
	struct pollcore *core = ev->core;

	if (ev->fn != NULL) {
		ev->fn(ev->arg, what);
		return;
	}
	if (ev->ready == 0) {
		TAILQ_INSERT_TAIL(&core->ready, ev, queue);
		core->nready++;
	}
	ev->ready |= what;
	core->why |= POLLCORE_ROUSED;
}

static void
pollcore_expire(struct pollcore *core, int64_t now)
{
	struct pollev *ev;

	while (core->nheap > 0 && (ev = core->heap[1])->at <= now) {
		pollcore_heap_remove(core, ev);
		pollev_fire(ev, POLLEV_TIME);
	}
}

/*
 * Whether there may be more than libevent took. At its largest it goes on as
 * long as the kernel, which takes turns, reports some that are not queued yet.
 */
static bool
pollcore_is_full(struct pollcore *core, size_t queued)
{
	if (core->seen < core->batch)
		return false;
	if (core->batch == BATCH_MAX)
		return core->nready > queued;
	core->batch *= 2;
	return true;
}

/*
 * One batch, as large as it takes. EVLOOP_NONBLOCK goes with EVLOOP_ONCE:
 * alone it spins on a readable descriptor that no handler drains.
 */
static int
pollcore_turn(struct pollcore *core, int flags)
{
	size_t queued;

	do {
		core->seen = 0;
		queued = core->nready;
		if (event_base_loop(core->base, flags) == -1)
			return -1;
		flags |= EVLOOP_NONBLOCK;
	} while (pollcore_is_full(core, queued));
	return 0;
}

/*
 * The clock goes off at this time, or before: that is found out then, and
 * saves a system call for every wait but the first of a deadline. libevent's
 * precise timers cost one for every turn.
 */
static void
pollcore_arm(struct pollcore *core, int64_t at)
{
	struct itimerspec spec = { .it_value = {
	    .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 } };

	if (core->armed != 0 && core->armed <= at)
		return;
	if (timerfd_settime(core->clock, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
		core->armed = at;
}

/* How to turn: not waiting longer than until end or the next timer. */
static int
pollcore_flags(struct pollcore *core, int64_t now, int64_t end)
{
	int64_t next = end;

	if (core->nheap > 0 && core->heap[1]->at < next)
		next = core->heap[1]->at;
	if (core->why != 0 || next <= now)
		return EVLOOP_ONCE | EVLOOP_NONBLOCK;
	if (next != INT64_MAX)
		pollcore_arm(core, next);
	return EVLOOP_ONCE;
}

int
pollcore_wait(struct pollcore *core, int64_t ns)
{
	int64_t now = ns > 0 || core->nheap > 0 ? clock_ns() : 0;
	int64_t end = ns < 0 || ns > INT64_MAX - now ? INT64_MAX : now + ns;

	core->why = core->nready > 0 || core->roused ? POLLCORE_ROUSED : 0;
	for (;;) {
		if (pollcore_turn(core, pollcore_flags(core, now, end)) == -1)
			return -1;
		if (ns > 0 || core->nheap > 0)
			now = clock_ns();
		pollcore_expire(core, now);
		if (core->roused)
			core->why |= POLLCORE_ROUSED;
		core->roused = false;
		if (core->why != 0 || ns == 0 || now >= end)
			return core->why;
	}
}

void *
pollcore_next(struct pollcore *core, unsigned *what)
{
	struct pollev *ev = TAILQ_FIRST(&core->ready);

	if (ev == NULL)
		return NULL;
	TAILQ_REMOVE(&core->ready, ev, queue);
	core->nready--;
	*what = ev->ready;
	ev->ready = 0;
	return ev->arg;
}

size_t
pollcore_nready(const struct pollcore *core)
{
	return core->nready;
}

void
pollcore_rouse(struct pollcore *core)
{
	core->roused = true;
}

/* A full pipe is as good: the waiter has not seen the others yet. */
void
pollcore_wake(struct pollcore *core)
{
	int saved = errno;

	while (write(core->wake[1], "", 1) == -1 && errno == EINTR)
		;
	errno = saved;
}

int
pollcore_wake_fd(const struct pollcore *core)
{
	return core->wake[1];
}

size_t
pollcore_signals(struct pollcore *core, uint8_t *out, size_t size)
{
	size_t n = core->nsignals < size ? core->nsignals : size;

	memcpy(out, core->signals, n);
	core->nsignals -= n;
	memmove(core->signals, core->signals + n, core->nsignals);
	return n;
}

static void
pollev_on_read(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pollev *ev = arg;

	ev->core->seen++;
	pollev_fire(ev, POLLEV_READ);
}

static void
pollev_on_write(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct pollev *ev = arg;

	ev->core->seen++;
	pollev_fire(ev, POLLEV_WRITE);
}

static struct pollev *
pollev_new(struct pollcore *core, int fd, pollev_fn *fn, void *arg)
{
	struct pollev *ev = LIST_FIRST(&core->spare);

	if (ev != NULL)
		LIST_REMOVE(ev, entry);
	else if ((ev = malloc(sizeof(*ev))) == NULL)
		return NULL;
	ev->core = core;
	ev->fn = fn;
	ev->arg = arg;
	ev->fd = fd;
	ev->watched = ev->ready = 0;
	ev->slot = 0;
	LIST_INSERT_HEAD(&core->used, ev, entry);
	return ev;
}

/*
 * Make room in the table. A number that no file has is refused first: it may
 * be any, and libevent would grow its own table up to it.
 */
static int
pollcore_grow(struct pollcore *core, int fd)
{
	struct pollev_same *byfd;
	int n = core->nfds > 0 ? core->nfds : 64;

	if (fcntl(fd, F_GETFD) == -1)
		return -1;
	while (n <= fd)
		n *= 2;
	if ((byfd = realloc(core->byfd, (size_t)n * sizeof(*byfd))) == NULL)
		return -1;
	memset(byfd + core->nfds, 0, (size_t)(n - core->nfds) * sizeof(*byfd));
	core->byfd = byfd;
	core->nfds = n;
	return 0;
}

/* The caller hears of a failure, not the log. */
static int
pollev_arm(struct pollev *ev, struct event *event, unsigned bit)
{
	int rc;

	if (ev->watched & bit)
		return 0;
	evbase_set_quiet(true);
	rc = event_add(event, NULL);
	evbase_set_quiet(false);
	if (rc == 0)
		ev->watched |= bit;
	return rc;
}

/* Without a line where the descriptor is closed already: that is usual. */
static void
pollev_disarm(struct pollev *ev, struct event *event, unsigned bit)
{
	if (!(ev->watched & bit))
		return;
	evbase_set_quiet(true);
	event_del(event);
	evbase_set_quiet(false);
	ev->watched &= ~bit;
}

/* Arm before disarm: the descriptor does not leave the kernel's set between. */
int
pollev_set(struct pollev *ev, unsigned what)
{
	if (((what & POLLEV_READ) &&
	    pollev_arm(ev, &ev->rd, POLLEV_READ) == -1) ||
	    ((what & POLLEV_WRITE) &&
	    pollev_arm(ev, &ev->wr, POLLEV_WRITE) == -1))
		return -1;
	if (!(what & POLLEV_READ))
		pollev_disarm(ev, &ev->rd, POLLEV_READ);
	if (!(what & POLLEV_WRITE))
		pollev_disarm(ev, &ev->wr, POLLEV_WRITE);
	if ((ev->ready & what) == 0)
		pollev_unqueue(ev);
	else
		ev->ready &= what;
	return 0;
}

struct pollev *
pollev_fd(struct pollcore *core, int fd, unsigned what, pollev_fn *fn,
    void *arg)
{
	struct pollev *ev;
	int saved;

	if (fd >= core->nfds && pollcore_grow(core, fd) == -1)
		return NULL;
	if ((ev = pollev_new(core, fd, fn, arg)) == NULL)
		return NULL;
	event_assign(&ev->rd, core->base, fd, EV_READ | EV_PERSIST,
	    pollev_on_read, ev);
	event_assign(&ev->wr, core->base, fd, EV_WRITE | EV_PERSIST,
	    pollev_on_write, ev);
	SLIST_INSERT_HEAD(&core->byfd[fd], ev, same);
	if (pollev_set(ev, what) == -1) {
		saved = errno;
		pollev_free(ev);
		errno = saved;
		return NULL;
	}
	return ev;
}

struct pollev *
pollev_timer(struct pollcore *core, pollev_fn *fn, void *arg)
{
	return pollev_new(core, -1, fn, arg);
}

int
pollev_start(struct pollev *ev, int64_t ns)
{
	if (ev->slot != 0)
		pollcore_heap_remove(ev->core, ev);
	ev->at = clock_ns() + (ns > 0 ? ns : 0);
	return pollcore_heap_add(ev->core, ev);
}

/* Wait for nothing any more, and have nothing to tell. */
void
pollev_stop(struct pollev *ev)
{
	if (ev->slot != 0)
		pollcore_heap_remove(ev->core, ev);
	pollev_disarm(ev, &ev->rd, POLLEV_READ);
	pollev_disarm(ev, &ev->wr, POLLEV_WRITE);
	pollev_unqueue(ev);
}

void
pollev_free(struct pollev *ev)
{
	struct pollcore *core;

	if (ev == NULL)
		return;
	core = ev->core;
	pollev_stop(ev);
	if (ev->fd != -1)
		SLIST_REMOVE(&core->byfd[ev->fd], ev, pollev, same);
	LIST_REMOVE(ev, entry);
	LIST_INSERT_HEAD(&core->spare, ev, entry);
}

void
pollcore_fresh(struct pollcore *core, int fd)
{
	struct pollev *ev;

	if (fd >= core->nfds)
		return;
	SLIST_FOREACH(ev, &core->byfd[fd], same)
		pollev_stop(ev);
}

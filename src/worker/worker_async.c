/* SPDX-License-Identifier: MIT */
/*
 * The async class: connections on the poll core, requests to a gateway whose
 * loop waits on the same core. What the core calls decodes, writes and queues,
 * without the GIL; what is Python's happens in batch and turn.
 *
 *	on_conn ─▶ conn_feed ─▶ todo ═▶ batch: gateway->begin, ->news
 *	   ▲                                       │
 *	   └─ c->out ◀─ writev ◀─ application ◀────┘
 *	   over: conn_finish ◀═ turn ◀─ io->finish
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <netinet/tcp.h>

#include <errno.h>
#include <fastcgi.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/pollcore.h"
#include "req/access_log.h"
#include "worker/conn_conf.h"
#include "worker/serve.h"
#include "worker/siblings.h"
#include "worker/worker.h"

#define ASYNC_OUT_MAX	(4 << 20)	/* of a connection's queued output */
#define ASYNC_LOW	16384		/* queued bytes: go on */
#define ASYNC_ACCEPTS	16		/* of a listener, in one turn */
#define ASYNC_YIELDS	2		/* times a connection is left to others */
#define ASYNC_YIELD_MS	1
#define ASYNC_REST_MS	100		/* without descriptors */
#define ASYNC_NOTICE_MS	5000		/* of a drain, until streams hear of it */
#define ASYNC_BOUND_NS	1000000		/* of an accept somebody else may win */
#define MS		INT64_C(1000000)

#ifndef sigev_notify_thread_id		/* glibc before 2.37 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* A connection in hand, beside its struct conn. */
struct async_conn {
	struct conn	*c;
	struct pollev	*ev;		/* NULL until it first has to wait */
	unsigned	 watched;
	unsigned	 news;		/* for the gateway, in the next batch */
	bool		 fresh;		/* its request is to begin */
	bool		 runs;		/* the gateway has the request */
	bool		 over;		/* and has finished with it */
	bool		 full;		/* over the high mark: ROOM is due */
	bool		 lost;		/* the peer is */
	bool		 todo;
	int64_t		 stall_ms;	/* when output must have moved; 0: none */
	int64_t		 due_ms;	/* when its head must be out; 0: none */
	TAILQ_ENTRY(async_conn) entry, todo_entry, stall_entry, due_entry;
};
TAILQ_HEAD(async_conns, async_conn);

static struct async {
	struct worker	*w;
	struct conn_conf conf;
	struct conns	 conns;
	struct siblings	 siblings;
	struct conn_from *from;
	struct pollcore	*core;
	struct pollev	**listeners;
	struct pollev	*clock;		/* the next deadline */
	int64_t		 clock_ms;	/* it is set for; 0: it is not */
	struct async_conns all, todo, stalled;
	struct async_conns due;		/* requests with a deadline, in order */
	uint32_t	 held;
	int64_t		 rest_ms;	/* listeners are left alone until then */
	int		 yields;
	bool		 listening;
	bool		 several;	/* workers, by the settings */
	bool		 draining, noticed, cancelled, stopped;
	int64_t		 drain_ms;	/* when it began */
	timer_t		 bound;		/* interrupts an accept */
} async_self;

static int64_t
async_now_ms(const struct async *s)
{
	return s->conns.now_ns / 1000000;
}

/* There is something to do in batch or turn. */
static void
async_note(struct async *s, struct async_conn *ac)
{
	if (!ac->todo)
		TAILQ_INSERT_TAIL(&s->todo, ac, todo_entry);
	ac->todo = true;
	pollcore_rouse(s->core);
}

static void
async_news(struct async *s, struct async_conn *ac, unsigned news)
{
	ac->news |= news;
	async_note(s, ac);
}

static void
async_set_stall(struct async *s, struct async_conn *ac, bool stalls)
{
	if (ac->stall_ms != 0)
		TAILQ_REMOVE(&s->stalled, ac, stall_entry);
	ac->stall_ms = 0;
	if (!stalls || s->conf.client_ms == 0)
		return;
	ac->stall_ms = async_now_ms(s) + s->conf.client_ms;
	TAILQ_INSERT_TAIL(&s->stalled, ac, stall_entry);
}

/* The time until its response begins; it may go on as long as it likes. */
static void
async_set_due(struct async *s, struct async_conn *ac, bool runs)
{
	if (ac->due_ms != 0)
		TAILQ_REMOVE(&s->due, ac, due_entry);
	ac->due_ms = 0;
	if (!runs || s->w->limits.timeout_ns == 0)
		return;
	ac->due_ms = (s->conns.now_ns + s->w->limits.timeout_ns) / MS;
	TAILQ_INSERT_TAIL(&s->due, ac, due_entry);
}

static bool
async_may_accept(struct async *s)
{
	return !s->draining && s->rest_ms <= async_now_ms(s) &&
	    s->held < (uint32_t)s->w->app->s.worker_connections;
}

/* Listen while there is room, and nobody better. */
static void
async_listen(struct async *s)
{
	bool on = async_may_accept(s);
	size_t i;

	if (on == s->listening)
		return;
	for (i = 0; i < s->w->nlisteners; i++)
		if (pollev_set(s->listeners[i], on ? POLLEV_READ : 0) == -1)
			log_error("cannot poll a listener");
	s->listening = on;
}

static void
async_drop(struct async *s, struct async_conn *ac)
{
	if (ac->todo)
		TAILQ_REMOVE(&s->todo, ac, todo_entry);
	async_set_stall(s, ac, false);
	async_set_due(s, ac, false);
	TAILQ_REMOVE(&s->all, ac, entry);
	pollev_free(ac->ev);
	conn_free(ac->c);
	free(ac);
	s->w->slot->held = --s->held;
	async_listen(s);
}

static void	async_on_conn(void *, unsigned);

/* Wait for this; what cannot be waited for is lost. */
static int
async_watch(struct async *s, struct async_conn *ac, unsigned what)
{
	if (ac->ev != NULL && ac->watched == what)
		return 0;
	ac->watched = what;
	if (ac->ev != NULL)
		return pollev_set(ac->ev, what);
	ac->ev = pollev_fd(s->core, ac->c->fd, what, async_on_conn, ac);
	return ac->ev == NULL ? -1 : 0;
}

/* What a connection waits for while its request runs. */
static unsigned
async_interest(const struct async_conn *ac)
{
	const struct conn *c = ac->c;
	unsigned what = 0;

	if (!c->eof && buf_len(&c->in) < CONN_SPOOL)
		what |= POLLEV_READ;
	if (buf_len(&c->out) > 0)
		what |= POLLEV_WRITE;
	return what;
}

static void
async_lose(struct async *s, struct async_conn *ac)
{
	if (ac->lost)
		return;
	ac->lost = true;
	ac->c->req->resp.gone = true;
	buf_clear(&ac->c->out);
	async_set_stall(s, ac, false);
	if (ac->ev != NULL)
		pollev_stop(ac->ev);
	ac->watched = 0;
	async_news(s, ac, NEWS_GONE);
}

static size_t
async_queued(const struct req *req)
{
	const struct conn *c = req->carrier;

	return buf_len(&c->out);
}

static void
async_keep_rest(struct async *s, struct async_conn *ac, struct iovec *v, int n)
{
	struct conn *c = ac->c;
	int i;

	c->out.max = ASYNC_OUT_MAX;
	for (i = 0; i < n; i++)
		if (buf_add(&c->out, v[i].iov_base, v[i].iov_len) == -1) {
			log_errorx("no memory for a response");
			async_lose(s, ac);
			return;
		}
	if (buf_len(&c->out) > ASYNC_LOW)
		ac->full = true;
	if (ac->stall_ms == 0)
		async_set_stall(s, ac, true);
	if (async_watch(s, ac, async_interest(ac)) == -1)
		async_lose(s, ac);
}

/* All of it: what the kernel does not take waits in c->out. */
static enum io_result
async_writev(struct req *req, struct iovec *v, int n)
{
	struct async *s = &async_self;
	struct conn *c = req->carrier;
	struct async_conn *ac = c->owner;
	ssize_t k = 0;

	if (ac->lost)
		return IO_GONE;
	while (n > 0 && buf_len(&c->out) == 0) {
		k = conn_send(c->fd, v, n);
		if (k >= 0)
			conn_advance(&v, &n, (size_t)k);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR) {
			async_lose(s, ac);
			return IO_GONE;
		}
	}
	if (n > 0)
		async_keep_rest(s, ac, v, n);
	return ac->lost ? IO_GONE : IO_DONE;
}

static enum io_result
async_no_file(struct req *req UNUSED, int fd UNUSED, int64_t *off UNUSED,
    uint64_t n UNUSED)
{
	return IO_GONE;
}

static bool
async_gone(struct req *req)
{
	const struct conn *c = req->carrier;

	return ((struct async_conn *)c->owner)->lost;
}

/* Bodies have arrived whole: this is about a tunnel. */
static void
async_more(struct req *req)
{
	struct async *s = &async_self;
	struct conn *c = req->carrier;
	struct async_conn *ac = c->owner;

	if (!ac->lost && ac->ev != NULL &&
	    async_watch(s, ac, async_interest(ac)) == -1)
		async_lose(s, ac);
}

static struct buf *
async_input(struct req *req)
{
	struct conn *c = req->carrier;

	return req->proto->ends_body ? NULL : &c->in;
}

static void
async_finish(struct req *req)
{
	struct async *s = &async_self;
	struct conn *c = req->carrier;
	struct async_conn *ac = c->owner;

	ac->over = true;
	async_note(s, ac);
}

static const struct req_io async_io = {
	.writev = async_writev,
	.sendfile = async_no_file,
	.gone = async_gone,
	.queued = async_queued,
	.more = async_more,
	.input = async_input,
	.finish = async_finish
};

static void
async_want(struct async *s, struct async_conn *ac, enum conn_want want)
{
	struct conn *c = ac->c;
	unsigned what = conn_poll_out(c) ? POLLEV_WRITE : POLLEV_READ;

	switch (want) {
	case CONN_RUN:
		conns_leave(c);
		c->req->io = &async_io;
		c->req->start_ns = s->conns.now_ns;
		ac->fresh = true;
		async_note(s, ac);
		return;
	case CONN_WAIT:
		if (async_watch(s, ac, what) == 0)
			return;
		log_error("cannot poll a connection");
		break;
	case CONN_OVER:
		break;
	}
	async_drop(s, ac);
}

/* More of the queued output is with the kernel, or the peer is lost. */
static void
async_flush(struct async *s, struct async_conn *ac)
{
	struct conn *c = ac->c;
	struct iovec v = { buf_head(&c->out), buf_len(&c->out) };
	ssize_t k = conn_send(c->fd, &v, 1);

	if (k == -1) {
		if (errno != EAGAIN && errno != EINTR)
			async_lose(s, ac);
		return;
	}
	buf_drain(&c->out, (size_t)k);
	if (buf_len(&c->out) == 0)
		buf_fini(&c->out);
	async_set_stall(s, ac, buf_len(&c->out) > 0);
	if (ac->over && buf_len(&c->out) == 0)
		async_note(s, ac);
	if (ac->full && buf_len(&c->out) < ASYNC_LOW) {
		ac->full = false;
		async_news(s, ac, NEWS_ROOM);
	}
}

/* Behind the request of a WebSocket every byte is one of its own. */
static bool
async_is_tunnel(const struct conn *c)
{
	return c->req->params.websocket && !c->req->proto->ends_body;
}

/* What a tunnel brings waits for the gateway. -1: the peer is lost. */
static int
async_read_tunnel(struct async *s, struct async_conn *ac)
{
	struct conn *c = ac->c;
	ssize_t n;

	n = recv(c->fd, s->conns.scratch, CONN_SPOOL - buf_len(&c->in), 0);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->eof = n == 0;
	if (n == 0)
		return 0;
	async_news(s, ac, NEWS_BODY);
	return buf_add(&c->in, s->conns.scratch, (size_t)n);
}

/* EOF is a hint, unless the peer can be seen to have closed for good. */
static void
async_spool(struct async *s, struct async_conn *ac)
{
	struct pollfd p = { .fd = ac->c->fd, .events = 0 };

	if ((async_is_tunnel(ac->c) ? async_read_tunnel(s, ac) :
	    conn_spool(ac->c)) == -1)
		async_lose(s, ac);
	else if (ac->c->eof) {
		if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)))
			async_lose(s, ac);
		else
			async_news(s, ac, NEWS_EOF);
	}
}

/* While a request runs, or its last bytes are on their way. */
static void
async_on_running(struct async *s, struct async_conn *ac, unsigned what)
{
	if ((what & POLLEV_WRITE) && buf_len(&ac->c->out) > 0)
		async_flush(s, ac);
	if ((what & POLLEV_READ) && !ac->lost && !ac->c->eof)
		async_spool(s, ac);
	if (!ac->lost && async_watch(s, ac, async_interest(ac)) == -1)
		async_lose(s, ac);
}

/* The first deadline: of a connection, a stalled output, or listeners. */
static void
async_set_clock(struct async *s)
{
	const struct async_conn *ac = TAILQ_FIRST(&s->stalled);
	int64_t now = async_now_ms(s), at = INT64_MAX;
	int ms = conns_timeout(&s->conns);

	if (ms >= 0)
		at = now + ms;
	if (ac != NULL && ac->stall_ms < at)
		at = ac->stall_ms;
	ac = TAILQ_FIRST(&s->due);
	if (ac != NULL && ac->due_ms < at)
		at = ac->due_ms;
	if (!s->draining && s->rest_ms > now && s->rest_ms < at)
		at = s->rest_ms;
	if (s->draining && now + 1000 < at)
		at = now + 1000;
	/* An earlier one finds out for itself. */
	if (at == INT64_MAX || (s->clock_ms > now && s->clock_ms <= at))
		return;
	s->clock_ms = at;
	if (pollev_start(s->clock, (at - now) * MS) == -1)
		log_errorx("no memory for a timer");
}

static void
async_on_conn(void *arg, unsigned what)
{
	struct async *s = &async_self;
	struct async_conn *ac = arg;

	s->conns.now_ns = clock_ns();
	if (ac->fresh || ac->runs)
		async_on_running(s, ac, what);
	else
		async_want(s, ac, conn_feed(ac->c));
	/* The wait goes on, perhaps with a deadline more. */
	async_set_clock(s);
}

static void
async_take(struct async *s, int fd, const struct conn_from *from,
    const struct sockaddr *sa)
{
	struct async_conn *ac;
	struct conn *c;

	pollcore_fresh(s->core, fd);
	if ((c = conn_new(&s->conns, fd, from, sa)) == NULL)
		return;
	if ((ac = calloc(1, sizeof(*ac))) == NULL) {
		log_errorx("no memory for a connection");
		conn_free(c);
		return;
	}
	ac->c = c;
	c->owner = ac;
	TAILQ_INSERT_TAIL(&s->all, ac, entry);
	s->w->slot->held = ++s->held;
	async_want(s, ac, conn_feed(c));
}

static void
async_refuse(const struct conn_from *from, const union addr_sock *sock,
    socklen_t len, int fd)
{
	static struct log_rate rate;
	char peer[128];

	addr_format(sock, len, peer, sizeof(peer));
	log_rated(&rate, LOG_WARN_, "%s: connection from %s refused: not in "
	    "allow_from", from->name, peer);
	close(fd);
}

static void
async_arm_bound(struct async *s, long ns)
{
	const struct itimerspec t = {
		.it_value.tv_nsec = ns, .it_interval.tv_nsec = ns
	};

	timer_settime(s->bound, 0, &t, NULL);
}

/* No descriptor, no memory: look again a little later instead of at once. */
static void
async_accept_failed(struct async *s)
{
	static struct log_rate rate;

	if (errno == EINTR || errno == EAGAIN || errno == ECONNABORTED)
		return;
	log_rated(&rate, LOG_ERROR_, "accept: %s", strerror(errno));
	s->rest_ms = async_now_ms(s) + ASYNC_REST_MS;
}

/* False: there is none, for now. */
static bool
async_accept(struct async *s, const struct conn_from *from)
{
	const struct listener *l = from->listener;
	bool local = l->sock.sa.sa_family == AF_UNIX;
	union addr_sock sock;
	socklen_t len = sizeof(sock);
	int fd;

	fd = accept4(l->fd, local ? NULL : &sock.sa, local ? NULL : &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1) {
		async_accept_failed(s);
		return false;
	}
	if (!local && !listener_allows(l, &sock.sa))
		async_refuse(from, &sock, len, fd);
	else
		async_take(s, fd, from, local ? NULL : &sock.sa);
	return true;
}

/* One that is idle and holds fewer is a better place; it is awake by now. */
static bool
async_yields(struct async *s)
{
	if (s->yields == ASYNC_YIELDS || !siblings_has_better(&s->siblings,
	    async_now_ms(s), s->held)) {
		s->yields = 0;
		return false;
	}
	s->yields++;
	s->rest_ms = async_now_ms(s) + ASYNC_YIELD_MS;
	return true;
}

static void
async_accept_some(struct async *s, const struct conn_from *from)
{
	struct pollfd p = { .fd = from->listener->fd, .events = POLLIN };
	int i;

	for (i = 0; i < ASYNC_ACCEPTS; i++)
		if (!async_may_accept(s) || async_yields(s) ||
		    (i > 0 && poll(&p, 1, 0) != 1) || !async_accept(s, from))
			break;
}

/*
 * The listener is readable, but blocks, and a sibling may be faster: a timer
 * ends the accept then. It costs more than the accept, so not without one.
 */
static void
async_on_listener(void *arg, unsigned what UNUSED)
{
	struct async *s = &async_self;
	bool bound = s->siblings.n > 0 || s->several;

	s->conns.now_ns = clock_ns();
	if (bound)
		async_arm_bound(s, ASYNC_BOUND_NS);
	async_accept_some(s, arg);
	if (bound)
		async_arm_bound(s, 0);
	async_listen(s);
	pollcore_rouse(s->core);	/* for the clock */
}

static void
async_begin(struct async *s, struct async_conn *ac)
{
	struct req *req = ac->c->req;

	ac->fresh = false;
	ac->runs = true;
	if (serve_sheds(s->w, req, serve_waited(s->w->slot, req))) {
		ac->over = true;
		return;
	}
	async_set_due(s, ac, true);
	s->w->gateway->begin(req);
	/* It waits for something: a client that leaves is to be noticed. */
	if (!ac->over && !ac->lost &&
	    async_watch(s, ac, async_interest(ac)) == -1)
		async_lose(s, ac);
}

/* Its count and its line. */
static void
async_account(struct async *s, struct req *req)
{
	int64_t now = clock_ns();

	if (req->conf->access != NULL && atomic_exchange(&s->w->reopen, false))
		access_log_reopen(req->conf->access);
	serve_account(s->w->slot, req, now);
	serve_after(s->w, now);
}

/* The response is over and with the kernel, or the peer is lost. */
static void
async_complete(struct async *s, struct async_conn *ac)
{
	ac->runs = ac->over = ac->full = false;
	ac->news = 0;
	async_set_due(s, ac, false);
	async_account(s, ac->c->req);
	if (ac->lost)
		async_drop(s, ac);
	else
		async_want(s, ac, conn_finish(ac->c));
}

/* What there is to do for one connection, with the GIL. */
static void
async_do(struct async *s, struct async_conn *ac)
{
	unsigned news = ac->news;

	if (ac->fresh) {
		if (ac->lost) {
			ac->fresh = false;
			async_complete(s, ac);
			return;
		}
		async_begin(s, ac);
	} else if (ac->runs && !ac->over && news != 0) {
		ac->news = 0;
		s->w->gateway->news(ac->c->req, news);
		if (news & NEWS_GONE)
			ac->over = true;
	}
	if (ac->runs && ac->over &&
	    (ac->lost || buf_len(&ac->c->out) == 0))
		async_complete(s, ac);
}

/* Only what is there now: a request that follows at once waits its turn. */
static void
async_settle(struct async *s)
{
	struct async_conn *ac, *last = TAILQ_LAST(&s->todo, async_conns);
	bool more = last != NULL;

	s->conns.now_ns = clock_ns();
	while (more && (ac = TAILQ_FIRST(&s->todo)) != NULL) {
		more = ac != last;
		TAILQ_REMOVE(&s->todo, ac, todo_entry);
		ac->todo = false;
		async_do(s, ac);
	}
}

/*
 * 504, and the task is cancelled; one that goes on regardless costs nobody
 * else.
 */
static void
async_time_out(struct async *s, struct async_conn *ac)
{
	struct req *req = ac->c->req;
	char line[256];

	async_set_due(s, ac, false);
	if (!ac->runs || ac->over || ac->lost || req->resp.head_out)
		return;
	log_errorx("app %s: worker %d: %s: no response %.1f s after its start "
	    "(timeout): answered with 504, cancelled", s->w->app->name,
	    s->w->id, req_line(req, line, sizeof(line)),
	    (double)(s->conns.now_ns - req->start_ns) / 1e9);
	req->resp.timed_out = true;
	resp_error(req, 504, FCGI_REQUEST_COMPLETE);
	async_news(s, ac, NEWS_CANCEL);
}

static void
async_on_clock(void *arg, unsigned what UNUSED)
{
	struct async *s = arg;
	struct async_conn *ac;
	struct conn *c;

	s->conns.now_ns = clock_ns();
	s->clock_ms = 0;
	while ((c = conns_expired(&s->conns)) != NULL)
		async_want(s, c->owner, conn_expire(c));
	while ((ac = TAILQ_FIRST(&s->stalled)) != NULL &&
	    ac->stall_ms <= async_now_ms(s))
		async_lose(s, ac);
	while ((ac = TAILQ_FIRST(&s->due)) != NULL &&
	    ac->due_ms <= async_now_ms(s))
		async_time_out(s, ac);
	async_listen(s);
	pollcore_rouse(s->core);
}

static void
async_tell_all(struct async *s, unsigned news)
{
	struct async_conn *ac;

	TAILQ_FOREACH(ac, &s->all, entry)
		if (ac->runs && !ac->over)
			async_news(s, ac, news);
}

static void
async_begin_drain(struct async *s)
{
	s->draining = true;
	s->drain_ms = async_now_ms(s);
	s->w->slot->stage = SLOT_DRAINING;
	conns_drain(&s->conns);
	async_listen(s);
}

/* Streams are told, then cancelled; what is left then is the watchdog's. */
static void
async_drain(struct async *s)
{
	int64_t since = async_now_ms(s) - s->drain_ms;
	int64_t grace = s->w->app->s.graceful_timeout;

	if (!s->noticed && since >= ASYNC_NOTICE_MS) {
		s->noticed = true;
		async_tell_all(s, NEWS_LEAVE);
	}
	if (!s->cancelled && grace > 0 && since >= grace) {
		s->cancelled = true;
		async_tell_all(s, NEWS_CANCEL);
	}
}

/* What the watchdog has to say. */
static void
async_look(struct async *s)
{
	struct worker *w = s->w;

	w->slot->turn_ns = s->conns.now_ns;
	if (w->stop == STOP_NO)
		return;
	w->awake = true;
	if (!s->draining)
		async_begin_drain(s);
	async_drain(s);
	if (!s->stopped && (w->stop == STOP_FAST ||
	    (s->held == 0 && w->gateway->running() == 0))) {
		s->stopped = true;
		w->gateway->stop();
	}
}

static void
async_on_batch(void *arg)
{
	struct async *s = arg;

	async_settle(s);
	async_look(s);
}

/* Before a wait: what the loop's callbacks have finished. */
static void
async_on_turn(void *arg)
{
	struct async *s = arg;

	if (!TAILQ_EMPTY(&s->todo))
		async_settle(s);
	else
		s->conns.now_ns = clock_ns();
	if (s->draining)
		async_look(s);
	async_listen(s);
	async_set_clock(s);
}

static int
async_init_listeners(struct async *s, struct err *err)
{
	const int one = 1;
	size_t i, n = s->w->nlisteners;

	s->from = xcalloc(n, sizeof(*s->from));
	s->listeners = xcalloc(n, sizeof(struct pollev *));
	for (i = 0; i < n; i++) {
		conn_from_init(&s->from[i], s->w->listeners[i]);
		if (s->w->listeners[i]->sock.sa.sa_family != AF_UNIX)
			setsockopt(s->w->listeners[i]->fd, IPPROTO_TCP,
			    TCP_NODELAY, &one, sizeof(one));
		s->listeners[i] = pollev_fd(s->core, s->w->listeners[i]->fd,
		    0, async_on_listener, &s->from[i]);
		if (s->listeners[i] == NULL)
			return err_set(err, "%s: cannot poll it: %s",
			    s->from[i].name, strerror(errno));
	}
	return 0;
}

static int
async_init_core(struct async *s, struct err *err)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = WORKER_POKE };

	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &s->bound) == -1)
		return err_set(err, "timer_create: %s", strerror(errno));
	if ((s->core = pollcore_new()) == NULL ||
	    (s->clock = pollev_timer(s->core, async_on_clock, s)) == NULL)
		return err_set(err, "poll core: %s", strerror(errno));
	return async_init_listeners(s, err);
}

static int
async_init(struct worker *w, struct err *err)
{
	struct async *s = &async_self;
	struct gateway_loop loop = {
		.turn = async_on_turn, .batch = async_on_batch, .arg = s
	};

	s->w = w;
	if (w->gateway->open == NULL)
		return err_setc(err, 3, "the application is a %s one: "
		    "worker_class = sync runs it", w->gateway->name);
	TAILQ_INIT(&s->all);
	TAILQ_INIT(&s->todo);
	TAILQ_INIT(&s->stalled);
	TAILQ_INIT(&s->due);
	if (conn_conf_load(&s->conf, w, err) == -1)
		return -1;
	conns_init(&s->conns, &s->conf);
	s->conns.stop = &w->stop;
	s->conns.now_ns = clock_ns();
	siblings_init(&s->siblings, w->board, w->slot, w->app->name);
	s->several = conf_workers(w->app, NULL, 0) > 1;
	if (async_init_core(s, err) == -1)
		return -1;
	/* Nobody is accepted before the application has started. */
	s->rest_ms = INT64_MAX;
	loop.core = s->core;
	return w->gateway->open(&loop, w->app, err);
}

static void
async_run(struct worker *w)
{
	struct async *s = &async_self;
	struct async_conn *ac;

	s->rest_ms = 0;
	w->gateway->run();
	w->gateway->close();
	while ((ac = TAILQ_FIRST(&s->all)) != NULL)
		async_drop(s, ac);
}

static void
async_wake(struct worker *w UNUSED)
{
	if (async_self.core != NULL)
		pollcore_wake(async_self.core);
}

const struct worker_class worker_async = {
	.name = "async",
	.init = async_init,
	.run = async_run,
	.wake = async_wake
};

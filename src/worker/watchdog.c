/* SPDX-License-Identifier: MIT */
/* Signals and the master's end, made into w->stop; and every deadline. */
#include <sys/timerfd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/logfile.h"
#include "os/signals.h"
#include "worker/ladder.h"
#include "worker/serve.h"
#include "worker/watchdog.h"

#define WATCHDOG_STACK		(128 * 1024)
#define WATCHDOG_MS		INT64_C(1000000)
#define WATCHDOG_WAKE		(10 * WATCHDOG_MS)
#define WATCHDOG_EXIT		(5000 * WATCHDOG_MS)	/* exit handlers */
#define WATCHDOG_MEMORY		(250 * WATCHDOG_MS)

/* What signal handlers need; everything else belongs to the thread. */
static struct {
	int	 in, out;		/* a pipe of signal numbers */
	int	 timer;			/* a timerfd */
	pid_t	 pid;
} watchdog;

/*
 * A process that the application forked has these handlers too, and the pipe:
 * there the signal does what it does by default.
 */
static void
watchdog_on_signal(int signo)
{
	unsigned char byte = (unsigned char)signo;
	int saved = errno;

	if (getpid() != watchdog.pid) {
		signal(signo, SIG_DFL);
		raise(signo);
	} else if (write(watchdog.in, &byte, 1) == -1)
		byte = 0;	/* full: the thread has enough to read */
	errno = saved;
}

/* Signals are not blocked: the application's subprocesses inherit the mask. */
static const struct signal_action watchdog_signals[] = {
	{ SIGTERM, watchdog_on_signal, SA_RESTART },
	{ SIGINT, watchdog_on_signal, SA_RESTART },
	{ SIGQUIT, watchdog_on_signal, SA_RESTART },
	{ SIGUSR1, watchdog_on_signal, SA_RESTART },
	{ SIGHUP, signals_nothing, SA_RESTART },
	{ SIGUSR2, signals_nothing, SA_RESTART },
};

/* What an order to leave means for the clock, in monotonic ns. */
struct watchdog_end {
	struct ladder_limit limit;	/* of every request */
	int64_t	 leave_ns;		/* of this process */
};

static void
watchdog_set_end(const struct worker *w, enum worker_stop how, int64_t now,
    struct watchdog_end *end)
{
	int64_t grace = w->app->s.graceful_timeout * WATCHDOG_MS;

	end->limit.fast = how == STOP_FAST;
	if (how == STOP_FAST)
		grace = 0;
	else if (grace == 0)
		return;
	end->limit.ns = now + grace;
	end->leave_ns = end->limit.ns + WATCHDOG_EXIT;
	if (how != STOP_FAST)
		end->leave_ns += w->limits.grace_ns;
}

/* Nothing is lost with a worker that has not started to serve. */
static void
watchdog_stop(struct worker *w, enum worker_stop how, struct watchdog_end *end)
{
	int boot = BOOT_RUNS;

	if (how <= (enum worker_stop)w->stop)
		return;
	if (atomic_compare_exchange_strong(&w->boot, &boot, BOOT_OVER))
		_exit(0);
	watchdog_set_end(w, how, clock_ns(), end);
	w->stop = how;
	w->awake = false;
}

static void
watchdog_reopen(struct worker *w)
{
	struct err err;
	int fd;

	logfile_reopen_error();
	w->reopen = true;
	if (w->slow_fd == -1)
		return;
	fd = logfile_open(w->app->s.slow_logfile, (uid_t)-1, (gid_t)-1, &err);
	if (fd == -1) {
		log_warnx("%s; lines go on into the old file", err.text);
		return;
	}
	dup3(fd, w->slow_fd, O_CLOEXEC);
	close(fd);
}

static void
watchdog_take(struct worker *w, int signo, struct watchdog_end *end)
{
	switch (signo) {
	case SIGTERM:
		watchdog_stop(w, STOP_DRAIN, end);
		break;
	case SIGINT:
	case SIGQUIT:
		watchdog_stop(w, STOP_FAST, end);
		break;
	case SIGUSR1:
		watchdog_reopen(w);
		break;
	}
}

static void
watchdog_read(struct worker *w, struct watchdog_end *end)
{
	unsigned char signos[64];
	ssize_t n, i;

	n = read(watchdog.out, signos, sizeof(signos));
	for (i = 0; i < n; i++)
		watchdog_take(w, signos[i], end);
}

void
watchdog_wake(struct worker *w)
{
	if (atomic_exchange(&w->dozing, false) &&
	    write(watchdog.in, "", 1) == -1)
		log_debug("the watchdog has enough to read");
}

/* A runaway is not waited for, and takes nobody with it. */
static int64_t
watchdog_check_memory(struct worker *w, int64_t now)
{
	char why[96];
	int64_t rss;

	if (w->limits.memory_hard == 0)
		return INT64_MAX;
	rss = serve_rss(w);
	if (rss <= w->limits.memory_hard)
		return now + WATCHDOG_MEMORY;
	snprintf(why, sizeof(why), "%lld MB of memory (memory_hard)",
	    (long long)rss >> 20);
	worker_retire(w, RETIRE_STUCK, "%s", why);
	ladder_drop(w, why);
}

/* When a request that starts from now on may be due. */
static int64_t
watchdog_next_start(const struct worker *w, int64_t now)
{
	const struct worker_limits *l = &w->limits;
	int64_t ns = l->timeout_ns;

	if (l->slow_ns > 0 && (ns == 0 || l->slow_ns < ns))
		ns = l->slow_ns;
	if (l->memory_hard > 0 && (ns == 0 || WATCHDOG_MEMORY < ns))
		ns = WATCHDOG_MEMORY;
	return ns == 0 ? INT64_MAX : now + ns;
}

static int64_t
watchdog_sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * While nothing runs it sleeps without an end, and says so before it looks:
 * either it sees the request that has just begun, or that one sees the word.
 */
static int64_t
watchdog_watch(struct worker *w, int64_t now, struct ladder_limit limit)
{
	int64_t start = watchdog_next_start(w, now), due;
	bool busy;

	due = ladder_turn(w, now, limit, &busy);
	if (start == INT64_MAX)
		return due;
	if (!busy) {
		w->dozing = true;
		due = ladder_turn(w, now, limit, &busy);
		if (!busy)
			return INT64_MAX;
		w->dozing = false;
	}
	due = watchdog_sooner(due, watchdog_check_memory(w, now));
	return watchdog_sooner(due, start);
}

/* Do what is due; when to look again. */
static int64_t
watchdog_turn(struct worker *w, const struct watchdog_end *end)
{
	int64_t now = clock_ns(), due;

	if (now >= end->leave_ns) {
		log_warnx("app %s: worker %d: not finished in time, leaving",
		    w->app->name, w->id);
		_exit(1);
	}
	due = watchdog_sooner(watchdog_watch(w, now, end->limit),
	    end->leave_ns);
	if (end->limit.ns > now)
		due = watchdog_sooner(due, end->limit.ns);
	if (w->stop == STOP_NO || w->awake)
		return due;
	w->class->wake(w);
	return watchdog_sooner(due, now + WATCHDOG_WAKE);
}

/*
 * A timer with a point in time as its end: the length of a sleep would start
 * again when the process has been stopped and goes on.
 */
static void
watchdog_set_timer(int fd, int64_t until)
{
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };

	if (until != INT64_MAX) {
		t.it_value.tv_sec = until / 1000000000;
		t.it_value.tv_nsec = until % 1000000000;
	}
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void *
watchdog_run(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[] = {
		{ .fd = watchdog.out, .events = POLLIN },
		{ .fd = w->channel, .events = 0 },	/* POLLHUP only */
		{ .fd = watchdog.timer, .events = POLLIN },
	};
	struct watchdog_end end = { { INT64_MAX, false }, INT64_MAX };

	for (;;) {
		watchdog_set_timer(watchdog.timer, watchdog_turn(w, &end));
		if (poll(fds, nitems(fds), -1) == -1)
			continue;
		w->dozing = false;
		if (fds[0].revents != 0)
			watchdog_read(w, &end);
		if (fds[1].revents != 0) {
			log_warnx("app %s: worker %d: the master is gone, "
			    "finishing", w->app->name, w->id);
			fds[1].fd = -1;
			fds[1].revents = 0;
			watchdog_stop(w, STOP_DRAIN, &end);
		}
	}
	return NULL;
}

static int
watchdog_thread(struct worker *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, WATCHDOG_STACK);
	rc = pthread_create(&thread, &attr, watchdog_run, w);
	pthread_attr_destroy(&attr);
	return rc;
}

int
watchdog_start(struct worker *w, struct err *err)
{
	const struct signal_action poke = { WORKER_POKE, signals_nothing, 0 };
	int fds[2], rc;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return err_set(err, "pipe: %s", strerror(errno));
	watchdog.timer = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if (watchdog.timer == -1)
		return err_set(err, "timerfd: %s", strerror(errno));
	watchdog.out = fds[0];
	watchdog.in = fds[1];
	watchdog.pid = getpid();
	w->main = pthread_self();
	ladder_init(w);
	signals_install(&poke, 1);
	rc = watchdog_thread(w);
	if (rc != 0)
		return err_set(err, "cannot start the watchdog thread: %s",
		    strerror(rc));
	signals_install(watchdog_signals, nitems(watchdog_signals));
	signals_unblock_all();
	return 0;
}

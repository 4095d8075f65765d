/* SPDX-License-Identifier: MIT */
/* Signals and the master's end, made into w->stop; and the last deadline. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/logfile.h"
#include "os/signals.h"
#include "worker/watchdog.h"

#define WATCHDOG_STACK		(128 * 1024)
#define WATCHDOG_POKE_MS	10
#define WATCHDOG_FAST_MS	5000	/* exit handlers after STOP_FAST */
#define WATCHDOG_SPARE_MS	2000	/* the master kills before us */

/* What signal handlers need; everything else belongs to the thread. */
static struct {
	int	 in, out;		/* a pipe of signal numbers */
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

static int64_t
watchdog_deadline(const struct worker *w, enum worker_stop how)
{
	int64_t grace = w->app->s.graceful_timeout;

	if (how == STOP_FAST)
		return clock_ms() + WATCHDOG_FAST_MS;
	return grace > 0 ? clock_ms() + grace + WATCHDOG_SPARE_MS : INT64_MAX;
}

/* Nothing is lost with a worker that has not started to serve. */
static void
watchdog_stop(struct worker *w, enum worker_stop how, int64_t *deadline)
{
	int boot = BOOT_RUNS;

	if (how <= (enum worker_stop)w->stop)
		return;
	if (atomic_compare_exchange_strong(&w->boot, &boot, BOOT_OVER))
		_exit(0);
	*deadline = watchdog_deadline(w, how);
	w->stop = how;
	w->awake = false;
}

static void
watchdog_take(struct worker *w, int signo, int64_t *deadline)
{
	switch (signo) {
	case SIGTERM:
		watchdog_stop(w, STOP_DRAIN, deadline);
		break;
	case SIGINT:
	case SIGQUIT:
		watchdog_stop(w, STOP_FAST, deadline);
		break;
	case SIGUSR1:
		logfile_reopen_error();
		w->reopen = true;
		break;
	}
}

static void
watchdog_read(struct worker *w, int64_t *deadline)
{
	unsigned char signos[64];
	ssize_t n, i;

	n = read(watchdog.out, signos, sizeof(signos));
	for (i = 0; i < n; i++)
		watchdog_take(w, signos[i], deadline);
}

/*
 * The main thread may be on its way into a system call when stop is set, so it
 * is poked until it has seen it. An application at work is left alone: not all
 * C code repeats an interrupted call, and stop is looked at after it.
 */
static void
watchdog_poke(struct worker *w)
{
	if (w->class->wake != NULL)
		w->class->wake(w);
	else if (w->slot->stage != SLOT_BUSY)
		pthread_kill(w->main, WORKER_POKE);
}

static int
watchdog_timeout(const struct worker *w, int64_t deadline)
{
	int64_t left;

	if (w->stop == STOP_NO)
		return -1;
	if (!w->awake)
		return WATCHDOG_POKE_MS;
	if (deadline == INT64_MAX)
		return -1;
	left = deadline - clock_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void *
watchdog_run(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[] = {
		{ .fd = watchdog.out, .events = POLLIN },
		{ .fd = w->channel, .events = 0 },	/* POLLHUP only */
	};
	int64_t deadline = INT64_MAX;

	for (;;) {
		if (poll(fds, nitems(fds), watchdog_timeout(w, deadline)) == -1)
			continue;
		if (fds[0].revents != 0)
			watchdog_read(w, &deadline);
		if (fds[1].revents != 0) {
			log_warnx("app %s: worker %d: the master is gone, "
			    "finishing", w->app->name, w->id);
			fds[1].fd = -1;
			fds[1].revents = 0;
			watchdog_stop(w, STOP_DRAIN, &deadline);
		}
		if (clock_ms() >= deadline) {
			log_warnx("app %s: worker %d: not finished in time, "
			    "leaving", w->app->name, w->id);
			_exit(1);
		}
		if (w->stop != STOP_NO && !w->awake)
			watchdog_poke(w);
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
	watchdog.out = fds[0];
	watchdog.in = fds[1];
	watchdog.pid = getpid();
	w->main = pthread_self();
	signals_install(&poke, 1);
	rc = watchdog_thread(w);
	if (rc != 0)
		return err_set(err, "cannot start the watchdog thread: %s",
		    strerror(rc));
	signals_install(watchdog_signals, nitems(watchdog_signals));
	signals_unblock_all();
	return 0;
}

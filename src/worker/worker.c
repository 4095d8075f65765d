/* SPDX-License-Identifier: MIT */
/* From the fork to the last exit of a worker, whatever its class. */
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/channel.h"
#include "os/fds.h"
#include "os/logfile.h"
#include "os/title.h"
#include "worker/watchdog.h"
#include "worker/worker.h"

#define WORKER_LONG	(5 * INT64_C(1000000))	/* peers may leave behind it */

/* In the order of the worker_class setting's choices. */
const struct worker_class *const worker_classes[] = {
	&worker_sync,
	&worker_threaded,
	&worker_async,
	NULL
};

bool
chan_say(int channel, enum chan_kind kind, uint32_t slot,
    const struct err *err)
{
	struct chan_msg msg = { .kind = kind, .slot = slot };

	if (err != NULL) {
		msg.code = err->code;
		snprintf(msg.text, sizeof(msg.text), "%s", err->text);
	}
	return channel_post(channel, &msg, sizeof(msg)) == 0;
}

static uint32_t
worker_slot(const struct worker *w)
{
	return (uint32_t)(w->slot - w->board->slots);
}

void
worker_retire(struct worker *w, enum worker_retire how, const char *fmt, ...)
{
	struct chan_msg msg = { .kind = CHAN_RETIRE, .slot = worker_slot(w),
		.code = how };
	int was = w->retiring;
	va_list ap;

	if (was >= (int)how || w->stop != STOP_NO ||
	    !atomic_compare_exchange_strong(&w->retiring, &was, how))
		return;
	va_start(ap, fmt);
	vsnprintf(msg.text, sizeof(msg.text), fmt, ap);
	va_end(ap);
	if (channel_send(w->channel, &msg, sizeof(msg)) == -1)
		w->retiring = was;
}

void
worker_make_runs(struct worker *w, unsigned n)
{
	unsigned i;

	w->runs = aligned_alloc(_Alignof(struct run), n * sizeof(*w->runs));
	if (w->runs == NULL)
		log_fatalx(1, "out of memory");
	for (i = 0; i < n; i++)
		run_init(&w->runs[i], w->slot + i);
	w->nruns = n;
}

/* Up to jitter more, so that workers do not grow old together. */
static int64_t
worker_max_requests(const struct app_settings *s)
{
	int64_t jitter = s->max_requests_jitter;

	if (s->max_requests == 0)
		return 0;
	if (jitter == -1)
		jitter = s->max_requests / 10;
	return s->max_requests + arc4random_uniform((uint32_t)jitter + 1);
}

static void
worker_set_limits(struct worker *w)
{
	const struct app_settings *s = &w->app->s;
	const int64_t ms = 1000000;

	w->limits.timeout_ns = s->timeout * ms;
	w->limits.grace_ns = s->abort_grace * ms;
	w->limits.slow_ns = s->slow_timeout * ms;
	w->limits.queue_ns = s->queue_timeout * ms;
	w->limits.long_ns = WORKER_LONG;
	if (s->timeout > 0 && w->limits.timeout_ns < WORKER_LONG)
		w->limits.long_ns = w->limits.timeout_ns;
	if (s->slow_timeout > 0 && w->limits.slow_ns < w->limits.long_ns)
		w->limits.long_ns = w->limits.slow_ns;
	w->limits.requests = worker_max_requests(s);
	w->limits.memory_soft = s->memory_soft;
	w->limits.memory_hard = s->memory_hard;
}

static int
worker_open_slow_log(struct worker *w, struct err *err)
{
	const char *path = w->app->s.slow_logfile;

	w->slow_fd = -1;
	if (path == NULL || *path == '\0')
		return 0;
	w->slow_fd = logfile_open(path, (uid_t)-1, (gid_t)-1, err);
	return w->slow_fd == -1 ? -1 : 0;
}

/*
 * The heap keeps what a large body took: page faults, not copies, are what
 * makes one expensive.
 */
static void
worker_keep_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

static int
worker_boot(struct worker *w, const struct py_setup *setup, struct err *err)
{
	struct py_worker info = {
		.id = w->id, .generation = w->generation,
		.multiprocess = conf_workers(w->app, NULL, 0) > 1,
		.multithread = w->app->s.worker_class == CLASS_THREADED
	};

	w->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	worker_set_limits(w);
	if (worker_open_slow_log(w, err) == -1 ||
	    watchdog_start(w, err) == -1)
		return -1;
	if (setup != NULL &&
	    (py_boot(setup, err) == -1 || py_load(w->app, err) == -1))
		return -1;
	if (py_worker_init(&info, err) == -1)
		return -1;
	w->gateway = py_gateway(w->app);
	worker_keep_heap();
	return w->class->init(w, err);
}

/* The master ends one that it does not hear of, so say it and leave. */
static void NORETURN
worker_fail(struct worker *w, const struct err *err)
{
	chan_say(w->channel, CHAN_FAILED, worker_slot(w), err);
	py_shutdown();
	_exit(err->code);
}

/* False if the watchdog is ending this process: it was told to leave. */
static bool
worker_end_boot(struct worker *w)
{
	int boot = BOOT_RUNS;

	return atomic_compare_exchange_strong(&w->boot, &boot, BOOT_DONE);
}

void
worker_run(struct worker *w, const struct py_setup *setup)
{
	struct err err;

	title_set("worker %s/%d", w->app->name, w->id);
	w->slot->stage = SLOT_BOOTING;
	w->class = worker_classes[w->app->s.worker_class];
	if (!chan_say(w->channel, CHAN_FORKED, worker_slot(w), NULL))
		_exit(0);
	if (worker_boot(w, setup, &err) == -1)
		worker_fail(w, &err);
	if (w->detach)
		fds_mute();
	if (!worker_end_boot(w))
		_exit(0);
	w->slot->stage = SLOT_IDLE;
	chan_say(w->channel, CHAN_READY, worker_slot(w), NULL);
	w->class->run(w);
	w->awake = true;
	/* A thread that never ends may have the interpreter for itself. */
	if (w->stuck > 0)
		_exit(1);
	py_shutdown();
	_exit(0);
}

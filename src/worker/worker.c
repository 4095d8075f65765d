/* SPDX-License-Identifier: MIT */
/* From the fork to the last exit of a worker, whatever its class. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/channel.h"
#include "os/fds.h"
#include "os/title.h"
#include "worker/watchdog.h"
#include "worker/worker.h"

/* In the order of the worker_class setting's choices. */
const struct worker_class *const worker_classes[] = {
	&worker_sync,
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

static int
worker_boot(struct worker *w, const struct py_setup *setup, struct err *err)
{
	struct py_worker info = {
		.id = w->id, .generation = w->generation,
		.multiprocess = conf_workers(w->app, NULL, 0) > 1
	};

	if (watchdog_start(w, err) == -1)
		return -1;
	if (setup != NULL &&
	    (py_boot(setup, err) == -1 || py_load(w->app, err) == -1))
		return -1;
	if (py_worker_init(&info, err) == -1)
		return -1;
	w->gateway = py_gateway(w->app);
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
	py_shutdown();
	_exit(0);
}

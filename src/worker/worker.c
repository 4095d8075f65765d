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
	NULL
};

bool
chan_say(int channel, enum chan_kind kind, int worker, const struct err *err)
{
	struct chan_msg msg = { .kind = kind, .worker = worker };

	if (err != NULL) {
		msg.code = err->code;
		snprintf(msg.text, sizeof(msg.text), "%s", err->text);
	}
	return channel_post(channel, &msg, sizeof(msg)) == 0;
}

static int
worker_boot(struct worker *w, bool loaded, struct err *err)
{
	struct py_worker info = {
		.id = w->id, .generation = w->generation,
		.multiprocess = conf_workers(w->app, NULL, 0) > 1
	};

	if (watchdog_start(w, err) == -1)
		return -1;
	if (!loaded && py_load(w->app, err) == -1)
		return -1;
	if (py_worker_init(&info, err) == -1)
		return -1;
	return w->class->init(w, err);
}

/* The master ends one that it does not hear of, so say it and leave. */
static void NORETURN
worker_fail(struct worker *w, const struct err *err)
{
	chan_say(w->channel, CHAN_FAILED, w->id, err);
	py_shutdown();
	_exit(err->code);
}

void
worker_run(struct worker *w, bool loaded)
{
	struct err err;

	title_set("worker %s/%d", w->app->name, w->id);
	w->slot->stage = SLOT_BOOTING;
	w->class = worker_classes[w->app->s.worker_class];
	w->gateway = gateways[0];
	if (!chan_say(w->channel, CHAN_FORKED, w->id, NULL))
		_exit(0);
	if (worker_boot(w, loaded, &err) == -1)
		worker_fail(w, &err);
	if (w->detach)
		fds_mute();
	w->slot->stage = SLOT_IDLE;
	chan_say(w->channel, CHAN_READY, w->id, NULL);
	w->class->run(w);
	w->awake = true;
	py_shutdown();
	_exit(0);
}

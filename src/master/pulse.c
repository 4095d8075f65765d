/* SPDX-License-Identifier: MIT */
/* Whether we live, told to systemd in time. */
#include "base/clock.h"
#include "base/log.h"
#include "master/pulse.h"
#include "os/proc.h"
#include "os/sdaemon.h"

#define PULSE_PARTS	3	/* pings in the time that systemd gives */
#define PULSE_SPARE_MS	5000	/* over timeout and abort_grace */

/* Any of its requests, or none, is as it should be. */
static bool
pulse_of_requests(const struct child *c)
{
	const struct slot *s = &c->gen->app->master->board->slots[c->slot];
	int64_t now = clock_ns(), over = (c->gen->conf->s.abort_grace +
	    PULSE_SPARE_MS) * 1000000;
	struct slot_view v;
	uint32_t i;

	for (i = 0; i < c->nslots; i++)
		if (!slot_read(&s[i], &v) || v.deadline_ns <= 0 ||
		    now - v.deadline_ns < over)
			return true;
	return false;
}

static bool
pulse_of_child(const struct child *c)
{
	return pulse_of_requests(c) && !proc_is_stopped(c->pid);
}

/* Where none is ready, replacing them is what the master is at. */
static bool
pulse_of_app(const struct app *app)
{
	const struct child *c;
	bool ready = false;

	if (app->serving == NULL)
		return true;
	TAILQ_FOREACH(c, &app->serving->workers, entry) {
		if (c->state != CHILD_READY)
			continue;
		if (pulse_of_child(c))
			return true;
		ready = true;
	}
	return !ready;
}

/* The application that has no pulse, NULL if all have. */
static const struct app *
pulse_look(const struct master *m)
{
	const struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		if (!pulse_of_app(app))
			return app;
	return NULL;
}

static void
pulse_on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct master *m = arg;
	const struct app *app = pulse_look(m);

	if (app == NULL)
		sdaemon_notify("WATCHDOG=1");
	else if (!m->faint)
		log_errorx("app %s: no worker is alive, systemd is not told "
		    "that we are", app->name);
	m->faint = app != NULL;
}

void
pulse_start(struct master *m)
{
	int64_t us = sdaemon_watchdog() / PULSE_PARTS;
	const struct timeval tv = {
		.tv_sec = us / 1000000, .tv_usec = us % 1000000
	};

	event_assign(&m->pulse, m->base, -1, EV_PERSIST, pulse_on_timer, m);
	if (us > 0)
		event_add(&m->pulse, &tv);
}

void
pulse_stop(struct master *m)
{
	if (event_initialized(&m->pulse))
		event_del(&m->pulse);
}

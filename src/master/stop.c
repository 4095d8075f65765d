/* SPDX-License-Identifier: MIT */
/* The ways to end: drain, hurry, or give up a boot that cannot succeed. */
#include <signal.h>

#include "base/log.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "os/sdaemon.h"

#define STOP_SPARE_MS	10000	/* exit handlers, and a slow machine */

/* systemd must not lose patience before the applications' own deadlines. */
static void
stop_tell_systemd(const struct master *m)
{
	const struct app *app;
	int64_t ms = 0;

	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->serving != NULL &&
		    app->serving->conf->s.graceful_timeout > ms)
			ms = app->serving->conf->s.graceful_timeout;
	sdaemon_notify("STOPPING=1\nSTATUS=finishing requests\n"
	    "EXTEND_TIMEOUT_USEC=%lld",
	    (long long)(ms + STOP_SPARE_MS) * 1000);
}

void
stop_yield(struct master *m)
{
	struct app *app;

	m->stop = MASTER_DRAINS;
	TAILQ_FOREACH(app, &m->apps, entry)
		app_retire(app, SIGTERM);
	master_tidy(m);
}

static void
stop_drain(struct master *m)
{
	upgrade_cancel(m);
	stop_tell_systemd(m);
	/* Where nobody comes after us, what is queued is served too. */
	m->board->stop_queue = m->heritage == NULL;
	stop_yield(m);
}

void
stop_fast(struct master *m)
{
	struct app *app;
	struct gen *g;
	struct child *c, *next;

	if (m->stop == MASTER_HURRIES)
		return;
	log_info("stopping at once");
	if (m->stop == MASTER_RUNS)
		stop_drain(m);
	m->stop = MASTER_HURRIES;
	TAILQ_FOREACH(app, &m->apps, entry)
		TAILQ_FOREACH(g, &app->old, entry)
			TAILQ_FOREACH_SAFE(c, &g->workers, entry, next)
				child_stop(c, SIGINT);
}

void
stop_gracefully(struct master *m)
{
	if (m->stop != MASTER_RUNS) {
		stop_fast(m);
		return;
	}
	log_info("stopping when running requests are finished");
	stop_drain(m);
}

void
stop_hopeless(struct master *m, int code)
{
	if (m->stop != MASTER_RUNS)
		return;
	log_errorx("no application could be started, leaving with code %d",
	    code);
	m->code = code;
	stop_drain(m);
}

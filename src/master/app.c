/* SPDX-License-Identifier: MIT */
/* A hosted application: the generation that serves, and those around it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"

struct app *
app_new(struct master *m, const char *name)
{
	struct app *app = xcalloc(1, sizeof(*app));

	app->master = m;
	app->name = xstrdup(name);
	TAILQ_INIT(&app->old);
	TAILQ_INSERT_TAIL(&m->apps, app, entry);
	return app;
}

struct app *
app_find(struct master *m, const char *name)
{
	struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		if (strcmp(app->name, name) == 0)
			return app;
	return NULL;
}

void
app_free(struct app *app)
{
	TAILQ_REMOVE(&app->master->apps, app, entry);
	free(app->name);
	free(app);
}

static void
app_set_target(struct gen *g, int n)
{
	if (g == NULL)
		return;
	g->target = n < 1 ? 1 : n > APP_WORKERS_MAX ? APP_WORKERS_MAX : n;
	log_info("app %s: %d worker%s wanted", g->app->name, g->target,
	    g->target == 1 ? "" : "s");
	gen_fill(g);
}

void
app_change_target(struct app *app, int by)
{
	if (app->serving != NULL)
		app_set_target(app->serving, app->serving->target + by);
	if (app->next != NULL)
		app_set_target(app->next, app->next->target + by);
}

void
app_scale(struct app *app, int n)
{
	app_set_target(app->serving, n);
	app_set_target(app->next, n);
}

bool
app_is_empty(const struct app *app)
{
	return app->serving == NULL && app->next == NULL &&
	    TAILQ_EMPTY(&app->old);
}

void
app_reopen_logs(struct app *app)
{
	struct err err;
	struct gen *g;

	if (app->serving != NULL &&
	    gen_make_logs(app->serving->conf, &err) == -1)
		log_warnx("app %s: %s", app->name, err.text);
	if (app->serving != NULL)
		gen_signal(app->serving, SIGUSR1);
	if (app->next != NULL)
		gen_signal(app->next, SIGUSR1);
	TAILQ_FOREACH(g, &app->old, entry)
		gen_signal(g, SIGUSR1);
}

void
app_retire(struct app *app, int signo)
{
	if (app->next != NULL)
		gen_retire(app->next, signo);
	if (app->serving != NULL)
		gen_retire(app->serving, signo);
}

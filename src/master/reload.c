/* SPDX-License-Identifier: MIT */
/*
 * HUP: read the configuration again, start a new generation of every
 * application, and let the old one go when the new one serves. Whatever fails,
 * the old one stays.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "os/sdaemon.h"

/* Settings that a running master cannot change are said, not obeyed. */
static void
reload_check_boot(const struct conf *old, const struct conf *new)
{
	const struct setting *s;
	size_t i;

	for (i = 0; i < settings_count; i++) {
		s = &settings_table[i];
		if (s->scope == SCOPE_MASTER && s->when == WHEN_BOOT &&
		    !setting_equal(s, &old->m, &new->m))
			log_warnx("setting %s changes only with a restart",
			    s->name);
	}
}

/* Every generation exists, with its sockets open, before one is started. */
static int
reload_prepare(struct master *m, struct config *config, struct gen **gens,
    struct err *err)
{
	struct conf *conf = config->conf;
	struct app *app;
	size_t i;

	for (i = 0; i < conf->napps; i++) {
		app = app_find(m, conf->apps[i]->name);
		if (app == NULL)
			app = app_new(m, conf->apps[i]->name);
		gens[i] = gen_new(app, config, conf->apps[i], err);
		if (gens[i] == NULL)
			return -1;
	}
	return master_set_log(conf, err);
}

/* One that never served has nothing to lose. */
static void
reload_commit(struct gen *g)
{
	struct app *app = g->app;

	app->leaving = false;
	app->boot_code = 0;
	if (app->serving != NULL && !app->serving->proved)
		gen_retire(app->serving, SIGTERM);
	if (app->serving == NULL)
		app->serving = g;
	else
		app->next = g;
}

static void
reload_mark_leaving(struct master *m, const struct conf *conf)
{
	struct app *app;
	size_t i;

	TAILQ_FOREACH(app, &m->apps, entry) {
		for (i = 0; i < conf->napps; i++)
			if (strcmp(app->name, conf->apps[i]->name) == 0)
				break;
		app->leaving = i == conf->napps;
	}
}

static void
reload_end(struct master *m)
{
	m->reloading = false;
	if (m->ready)
		sdaemon_notify("READY=1");
	if (m->reload_again) {
		m->reload_again = false;
		reload_start(m);
	}
}

/* Over when no application waits for its next generation. */
static void
reload_check_end(struct master *m)
{
	struct app *app;

	if (!m->reloading)
		return;
	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->next != NULL)
			return;
	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->leaving && app->serving != NULL) {
			log_info("app %s: gone from the configuration",
			    app->name);
			app_retire(app, SIGTERM);
		}
	reload_end(m);
}

static int
reload_build(struct master *m, struct config *config, struct err *err)
{
	struct conf *conf = config->conf;
	struct gen **gens = xcalloc(conf->napps, sizeof(*gens));
	size_t i;
	int rc;

	rc = reload_prepare(m, config, gens, err);
	for (i = 0; i < conf->napps && gens[i] != NULL; i++)
		if (rc == 0)
			reload_commit(gens[i]);
		else
			gen_free(gens[i]);
	if (rc == 0) {
		reload_check_boot(m->config->conf, conf);
		reload_mark_leaving(m, conf);
		config_put(m->config);
		m->config = config_get(config);
		for (i = 0; i < conf->napps; i++)
			gen_fill(gens[i]);
	}
	free(gens);
	master_tidy(m);
	return rc;
}

void
reload_start(struct master *m)
{
	struct config *config;
	struct conf *conf;
	struct err err;
	int rc = -1;

	if (m->stop != MASTER_RUNS)
		return;
	if (m->reloading) {
		m->reload_again = true;
		return;
	}
	m->reloading = true;
	log_info("reloading");
	sdaemon_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)(clock_ns() / 1000));
	conf = conf_load(m->argc, m->argv, &err);
	if (conf != NULL) {
		config = config_new(conf);
		rc = reload_build(m, config, &err);
		config_put(config);
	}
	if (rc == -1)
		log_errorx("reload failed: %s", err.text);
	reload_check_end(m);
}

void
reload_on_ready(struct gen *g)
{
	struct app *app = g->app;

	if (app->serving != NULL)
		gen_retire(app->serving, SIGTERM);
	app->serving = g;
	app->next = NULL;
	reload_check_end(app->master);
}

void
reload_on_failure(struct gen *g, const char *who, const char *why)
{
	struct app *app = g->app;

	log_errorx("app %s: reload failed: %s failed to boot: %s; "
	    "generation %u serves on", app->name, who, why,
	    app->serving->number);
	gen_retire(g, SIGTERM);
	reload_check_end(app->master);
}

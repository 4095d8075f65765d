/* SPDX-License-Identifier: MIT */
/*
 * Read the configuration again, start a new generation of every application, or
 * of one, and let the old one go when the new one serves. Whatever fails, the
 * old one stays. Who asks while a reload runs is served by the next one, all
 * together.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/control.h"
#include "master/master.h"
#include "master/upgrade.h"
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

static bool
reload_has(const struct master *m, const char *app)
{
	return m->reload.app == NULL || strcmp(m->reload.app, app) == 0;
}

/* Every generation exists, with its sockets open, before one is started. */
static int
reload_prepare(struct master *m, struct config *config, struct gen **gens,
    struct err *err)
{
	struct conf *conf = config->conf;
	struct app *app;
	size_t i, n = 0;

	for (i = 0; i < conf->napps; i++) {
		if (!reload_has(m, conf->apps[i]->name))
			continue;
		app = app_find(m, conf->apps[i]->name);
		if (app == NULL)
			app = app_new(m, conf->apps[i]->name);
		gens[n] = gen_new(app, config, conf->apps[i], err);
		if (gens[n++] == NULL)
			return -1;
	}
	if (n == 0)
		return err_set(err, "there is no app %s in the configuration",
		    m->reload.app);
	return m->reload.app == NULL ? master_set_log(conf, err) : 0;
}

/* One that never served has nothing to lose. */
static void
reload_commit(struct gen *g)
{
	struct app *app = g->app;

	app->leaving = false;
	app->boot_code = 0;
	g->awaited = true;
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

/* Several applications may fail; as much of it as there is room for. */
static void
reload_note(struct master *m, const char *why)
{
	char *at = m->reload.failure;
	size_t n = strlen(at);

	snprintf(at + n, sizeof(m->reload.failure) - n, "%s%s",
	    n > 0 ? "; " : "", why);
}

/* What an application says of itself must not be an assignment. */
static void
reload_tell_systemd(const struct master *m)
{
	char why[sizeof(m->reload.failure)];

	if (*m->reload.failure != '\0') {
		log_escape(why, sizeof(why), m->reload.failure,
		    strlen(m->reload.failure));
		sdaemon_notify("STATUS=reload failed: %s", why);
	}
	if (m->ready)
		sdaemon_notify("READY=1");
}

static void
reload_end(struct master *m)
{
	m->reload.runs = false;
	reload_tell_systemd(m);
	control_on_reload(m, m->reload.count, m->reload.failure);
	reload_go_on(m);
}

static bool
reload_is_awaited(const struct gen *g)
{
	return g != NULL && g->awaited;
}

static void
reload_drop_leaving(struct master *m)
{
	struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->leaving && app->serving != NULL) {
			log_info("app %s: gone from the configuration",
			    app->name);
			app_retire(app, SIGTERM);
		}
}

/* Over when every new generation serves, or has failed. */
static void
reload_check_end(struct master *m)
{
	struct app *app;

	if (!m->reload.runs)
		return;
	TAILQ_FOREACH(app, &m->apps, entry)
		if (reload_is_awaited(app->serving) ||
		    reload_is_awaited(app->next))
			return;
	reload_drop_leaving(m);
	reload_end(m);
}

/* The file as a whole is what the master runs, but for a part of it. */
static void
reload_adopt(struct master *m, struct config *config)
{
	if (m->reload.app != NULL)
		return;
	reload_check_boot(m->config->conf, config->conf);
	reload_mark_leaving(m, config->conf);
	config_put(m->config);
	m->config = config_get(config);
}

static int
reload_build(struct master *m, struct config *config, struct err *err)
{
	size_t i, n = config->conf->napps;
	struct gen **gens = xcalloc(n, sizeof(*gens));
	int rc;

	rc = reload_prepare(m, config, gens, err);
	for (i = 0; i < n && gens[i] != NULL; i++)
		if (rc == 0)
			reload_commit(gens[i]);
		else
			gen_free(gens[i]);
	if (rc == 0) {
		reload_adopt(m, config);
		for (i = 0; i < n && gens[i] != NULL; i++)
			gen_fill(gens[i]);
	}
	free(gens);
	master_tidy(m);
	return rc;
}

static int
reload_load(struct master *m, struct err *err)
{
	struct config *config;
	struct conf *conf;
	int rc;

	conf = conf_load(m->argc, m->argv, err);
	if (conf == NULL)
		return -1;
	config = config_new(conf);
	rc = reload_build(m, config, err);
	config_put(config);
	return rc;
}

static void
reload_begin(struct master *m, char *app)
{
	struct reload *r = &m->reload;
	struct err err;

	free(r->app);
	r->app = app;
	r->next_app = NULL;
	r->runs = true;
	r->count++;
	*r->failure = '\0';
	log_info("reloading%s%s", app != NULL ? " app " : "",
	    app != NULL ? app : "");
	sdaemon_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)(clock_ns() / 1000));
	if (reload_load(m, &err) == -1) {
		log_errorx("reload failed: %s", err.text);
		reload_note(m, err.text);
	}
	reload_check_end(m);
}

/* One application more is not everything, but two are. */
static void
reload_queue(struct reload *r, const char *app)
{
	if (!r->again)
		r->next_app = app != NULL ? xstrdup(app) : NULL;
	else if (app == NULL || r->next_app == NULL ||
	    strcmp(app, r->next_app) != 0) {
		free(r->next_app);
		r->next_app = NULL;
	}
	r->again = true;
}

void
reload_start(struct master *m, const char *app)
{
	if (m->stop != MASTER_RUNS)
		return;
	if (m->reload.runs || upgrade_runs(m))
		reload_queue(&m->reload, app);
	else
		reload_begin(m, app != NULL ? xstrdup(app) : NULL);
}

void
reload_all(struct master *m)
{
	reload_start(m, NULL);
}

void
reload_go_on(struct master *m)
{
	char *app = m->reload.next_app;

	if (!m->reload.again || m->reload.runs)
		return;
	m->reload.again = false;
	reload_begin(m, app);
}

void
reload_on_ready(struct gen *g)
{
	struct app *app = g->app;

	g->awaited = false;
	if (g == app->next) {
		if (app->serving != NULL)
			gen_retire(app->serving, SIGTERM);
		app->serving = g;
		app->next = NULL;
	}
	reload_check_end(app->master);
}

/* What serves already has nothing to go back to, and goes on trying. */
void
reload_on_failure(struct gen *g, const char *who, const char *why)
{
	struct app *app = g->app;
	struct err err;

	g->awaited = false;
	err_set(&err, "app %s: %s failed to boot: %s", app->name, who, why);
	reload_note(app->master, err.text);
	if (g == app->next) {
		log_errorx("app %s: reload failed: %s failed to boot: %s; "
		    "generation %u serves on", app->name, who, why,
		    app->serving->number);
		gen_retire(g, SIGTERM);
	}
	reload_check_end(app->master);
}

/* SPDX-License-Identifier: MIT */
/* What can be asked for over the control socket. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "master/control.h"
#include "master/upgrade.h"

#define COMMAND_WORDS	4

void
command_ok(struct json_out *out, pid_t pid)
{
	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	if (pid != 0)
		json_int(out, "pid", pid);
	json_close(out, '}');
}

void
command_fail(struct json_out *out, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_open(out, NULL, '{');
	json_bool(out, "ok", false);
	json_str(out, "error", text);
	json_close(out, '}');
}

static const char *
command_master_state(const struct master *m)
{
	if (m->stop != MASTER_RUNS)
		return "stopping";
	if (upgrade_runs(m))
		return "upgrading";
	if (m->reload.runs)
		return "reloading";
	return m->ready ? "serving" : "starting";
}

static const char *
command_app_state(const struct app *app)
{
	if (app->serving == NULL)
		return "stopping";
	if (app->next != NULL)
		return "reloading";
	if (gen_count(app->serving, CHILD_READY) > 0)
		return "serving";
	return app->serving->failures > 0 ? "failing" : "starting";
}

static int64_t
command_served(const struct child *c)
{
	const struct slot *s = &c->gen->app->master->board->slots[c->slot];
	int64_t n = 0;
	uint32_t i;

	for (i = 0; i < c->nslots; i++)
		n += (int64_t)s[i].count[COUNT_REQUESTS];
	return n;
}

static const char *
command_child_state(const struct child *c)
{
	static const char *const names[] = {
		[CHILD_NONE] = "none", [CHILD_ORDERED] = "starting",
		[CHILD_BOOTING] = "starting", [CHILD_READY] = "idle",
		[CHILD_STOPPING] = "draining", [CHILD_FAILED] = "failed"
	};
	struct slot_view v;

	if (c->state == CHILD_READY && child_requests(c, &v) > 0)
		return "busy";
	return names[c->state];
}

static void
command_put_listeners(struct json_out *out, const struct gen *g)
{
	const struct listener *l;
	char where[160];
	size_t i;

	json_open(out, "listen", '[');
	for (i = 0; i < g->nsocks; i++) {
		l = g->socks[i]->listener;
		addr_format(&l->sock, l->len, where, sizeof(where));
		json_str(out, NULL, where);
	}
	json_close(out, ']');
}

static int64_t
command_busy(const struct gen *g)
{
	const struct child *c;
	int64_t n = 0;

	TAILQ_FOREACH(c, &g->workers, entry)
		n += strcmp(command_child_state(c), "busy") == 0;
	return n;
}

static void
command_put_serving(struct json_out *out, const struct gen *g)
{
	const struct child *c;
	int64_t requests = 0;

	TAILQ_FOREACH(c, &g->workers, entry)
		requests += command_served(c);
	json_int(out, "generation", g->number);
	json_int(out, "wanted", g->target);
	json_int(out, "ready", gen_count(g, CHILD_READY));
	json_int(out, "busy", command_busy(g));
	json_int(out, "starting", gen_count(g, CHILD_ORDERED) +
	    gen_count(g, CHILD_BOOTING));
	json_int(out, "failures", g->failures);
	json_int(out, "requests", requests);
	command_put_listeners(out, g);
}

static int
command_draining(const struct app *app)
{
	const struct child *c;
	const struct gen *g;
	int n = 0;

	TAILQ_FOREACH(g, &app->old, entry)
		TAILQ_FOREACH(c, &g->workers, entry)
			n++;
	return n;
}

static void
command_put_app(struct json_out *out, const struct app *app)
{
	json_open(out, NULL, '{');
	json_str(out, "name", app->name);
	json_str(out, "state", command_app_state(app));
	if (app->serving != NULL)
		command_put_serving(out, app->serving);
	json_int(out, "draining", command_draining(app));
	json_close(out, '}');
}

static void
command_status(struct master *m, char **words UNUSED, struct json_out *out,
    enum control_wait *wait UNUSED)
{
	const struct app *app;

	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	json_str(out, "name", m->config->conf->name);
	json_str(out, "version", SAOLA_VERSION);
	json_int(out, "pid", getpid());
	json_str(out, "state", command_master_state(m));
	json_int(out, "uptime_ms", clock_ms() - m->started_ms);
	json_open(out, "apps", '[');
	TAILQ_FOREACH(app, &m->apps, entry)
		command_put_app(out, app);
	json_close(out, ']');
	json_close(out, '}');
}

/* Without what follows a '?': it is often a secret. */
static void
command_put_request(struct json_out *out, const struct child *c)
{
	struct slot_view v;
	unsigned n = child_requests(c, &v);

	json_int(out, "running", n);
	if (n == 0)
		return;
	v.uri[strcspn(v.uri, "?")] = '\0';
	json_open(out, "request", '{');
	json_str(out, "method", v.method);
	json_str(out, "uri", v.uri);
	json_int(out, "ms", (clock_ns() - v.start_ns) / 1000000);
	json_close(out, '}');
}

static void
command_put_worker(struct json_out *out, const struct child *c)
{
	const struct slot *s = &c->gen->app->master->board->slots[c->slot];

	json_int(out, "id", c->id);
	json_int(out, "connections", s->held);
	json_int(out, "requests", command_served(c));
	command_put_request(out, c);
}

static void
command_put_child(struct json_out *out, const struct child *c)
{
	json_open(out, NULL, '{');
	json_str(out, "app", c->gen->app->name);
	json_int(out, "generation", c->gen->number);
	json_int(out, "pid", c->pid);
	json_str(out, "state", command_child_state(c));
	if (c->id >= 0)
		command_put_worker(out, c);
	json_close(out, '}');
}

static void
command_put_children(struct json_out *out, const struct gen *g)
{
	const struct child *c;

	if (g == NULL)
		return;
	if (g->template.pid != 0)
		command_put_child(out, &g->template);
	TAILQ_FOREACH(c, &g->workers, entry)
		command_put_child(out, c);
}

static void
command_workers(struct master *m, char **words UNUSED, struct json_out *out,
    enum control_wait *wait UNUSED)
{
	const struct app *app;
	const struct gen *g;

	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	json_open(out, "workers", '[');
	TAILQ_FOREACH(app, &m->apps, entry) {
		command_put_children(out, app->serving);
		command_put_children(out, app->next);
		TAILQ_FOREACH(g, &app->old, entry)
			command_put_children(out, g);
	}
	json_close(out, ']');
	json_close(out, '}');
}

static void
command_reload(struct master *m, char **words, struct json_out *out UNUSED,
    enum control_wait *wait)
{
	*wait = WAIT_RELOAD;
	reload_start(m, words[1]);
}

static void
command_scale(struct master *m, char **words, struct json_out *out,
    enum control_wait *wait UNUSED)
{
	struct app *app = app_find(m, words[1]);
	int64_t n;

	if (app == NULL || app->serving == NULL) {
		command_fail(out, "there is no app %s", words[1]);
		return;
	}
	if (str_parse_int(words[2], 1, APP_WORKERS_MAX, &n) == -1) {
		command_fail(out, "%s is not a number of workers from 1 to %d",
		    words[2], APP_WORKERS_MAX);
		return;
	}
	app_scale(app, (int)n);
	command_ok(out, 0);
}

static void
command_upgrade(struct master *m, char **words UNUSED,
    struct json_out *out UNUSED, enum control_wait *wait)
{
	*wait = WAIT_UPGRADE;
	upgrade_start(m);
}

static void
command_stop(struct master *m, char **words, struct json_out *out,
    enum control_wait *wait)
{
	if (words[1] != NULL && strcmp(words[1], "fast") != 0) {
		command_fail(out, "stop %s: stop or stop fast", words[1]);
		return;
	}
	*wait = WAIT_END;
	command_ok(out, getpid());
	if (words[1] != NULL)
		stop_fast(m);
	else if (m->stop == MASTER_RUNS)
		stop_gracefully(m);
}

static const struct command {
	const char	*name;
	size_t		 min, max;	/* words behind it */
	bool		 needs_life;	/* not while the master stops */
	void		(*run)(struct master *, char **words,
			    struct json_out *, enum control_wait *);
} commands[] = {
	{ "status", 0, 0, false, command_status },
	{ "workers", 0, 0, false, command_workers },
	{ "reload", 0, 1, true, command_reload },
	{ "scale", 2, 2, true, command_scale },
	{ "upgrade", 0, 0, true, command_upgrade },
	{ "stop", 0, 1, false, command_stop },
};

static const struct command *
command_find(const char *name)
{
	const struct command *c;

	for (c = commands; c < commands + nitems(commands); c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void
command_run(struct master *m, char *line, struct json_out *out,
    enum control_wait *wait)
{
	char *words[COMMAND_WORDS + 1] = { NULL };
	const struct command *c;
	size_t n;

	line[strcspn(line, "\r")] = '\0';
	n = str_words(line, words, COMMAND_WORDS);
	c = n > 0 ? command_find(words[0]) : NULL;
	if (c == NULL)
		command_fail(out, "unknown command %s", n > 0 ? words[0] : "");
	else if (n - 1 < c->min || n - 1 > c->max)
		command_fail(out, "%s: %zu words, not %zu to %zu", c->name,
		    n - 1, c->min, c->max);
	else if (c->needs_life && m->stop != MASTER_RUNS)
		command_fail(out, "the server stops");
	else
		c->run(m, words, out, wait);
}

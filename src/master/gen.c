/* SPDX-License-Identifier: MIT */
/* A generation: from the first boot of its template to its last worker. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "os/channel.h"
#include "os/logfile.h"
#include "os/priv.h"
#include "os/sdaemon.h"
#include "req/access.h"

#define GEN_BOOTS	8	/* workers that boot at once */
#define GEN_BACKOFF	30	/* seconds, at most */
#define GEN_CRASHES	4	/* in a row: an emergency */
#define GEN_CRASH_MS	10000	/* at most between two of a row */

static void
gen_on_retry(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	gen_fill(arg);
}

static int
gen_add_sock(struct gen *g, const char *text, const struct listener_opts *opts,
    struct err *err)
{
	struct sock *s = sock_get(g->app->master, text, opts, err);

	if (s == NULL)
		return -1;
	g->socks = xreallocarray(g->socks, g->nsocks + 1, sizeof(*g->socks));
	g->socks[g->nsocks++] = s;
	return 0;
}

static int
gen_open_socks(struct gen *g, struct err *err)
{
	struct listener_opts opts;
	struct strlist binds = { 0 };
	size_t i;
	int rc;

	rc = sock_options(g->conf, &opts, err);
	if (rc == 0)
		rc = sock_binds(g->config->conf, g->conf, &binds, err);
	for (i = 0; rc == 0 && i < binds.n; i++)
		rc = gen_add_sock(g, binds.v[i], &opts, err);
	strlist_fini(&binds);
	return rc;
}

/* True if somebody may wait in a queue that is now gone. */
static bool
gen_close_socks(struct gen *g)
{
	bool gone = false;
	size_t i;

	for (i = 0; i < g->nsocks; i++)
		gone |= sock_put(g->app->master, g->socks[i]);
	g->nsocks = 0;
	return gone;
}

static int
gen_open_channel(struct gen *g, struct err *err)
{
	if (channel_open(&g->near, &g->far) == -1)
		return err_set(err, "channel: %s", strerror(errno));
	event_assign(&g->on_channel, g->app->master->base, g->near,
	    EV_READ | EV_PERSIST, hear_on_channel, g);
	event_add(&g->on_channel, NULL);
	return 0;
}

static int
gen_make_log(const struct conf_app *app, const char *path, struct err *err)
{
	struct priv who;
	int fd;

	if (path == NULL || *path != '/' || !priv_can_give())
		return 0;
	if (priv_find(app->s.user, app->s.group, &who, err) == -1)
		return -1;
	fd = logfile_open(path, who.uid, who.gid, err);
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

int
gen_make_logs(const struct conf_app *app, struct err *err)
{
	if (gen_make_log(app, app->s.access_logfile, err) == -1)
		return -1;
	return gen_make_log(app, app->s.slow_logfile, err);
}

struct gen *
gen_new(struct app *app, struct config *config, const struct conf_app *conf,
    struct err *err)
{
	struct gen *g = xcalloc(1, sizeof(*g));

	g->app = app;
	g->config = config_get(config);
	g->conf = conf;
	g->near = g->far = -1;
	g->number = ++app->generation;
	g->target = conf_workers(conf, NULL, 0);
	TAILQ_INIT(&g->workers);
	child_init(&g->template, g, -1);
	evtimer_assign(&g->retry, app->master->base, gen_on_retry, g);
	if (gen_open_socks(g, err) == 0 && gen_open_channel(g, err) == 0 &&
	    access_check(conf->s.access_logformat, err) == 0 &&
	    gen_make_logs(conf, err) == 0)
		return g;
	err_prefix(err, "app %s (%s)", conf->name, conf->where);
	gen_free(g);
	return NULL;
}

void
gen_free(struct gen *g)
{
	if (g->retired)
		TAILQ_REMOVE(&g->app->old, g, entry);
	gen_close_socks(g);
	if (g->near != -1) {
		event_del(&g->on_channel);
		close(g->near);
		close(g->far);
	}
	event_del(&g->retry);
	config_put(g->config);
	free(g->socks);
	free(g);
}

bool
gen_is_empty(const struct gen *g)
{
	return g->template.pid == 0 && TAILQ_EMPTY(&g->workers);
}

void
gen_signal(const struct gen *g, int signo)
{
	const struct child *c;

	child_signal(&g->template, signo);
	TAILQ_FOREACH(c, &g->workers, entry)
		child_signal(c, signo);
}

int
gen_count(const struct gen *g, enum child_state state)
{
	const struct child *c;
	int n = 0;

	TAILQ_FOREACH(c, &g->workers, entry)
		n += c->state == state;
	return n;
}

static void
gen_stop_last(struct gen *g)
{
	struct child *c, *last = NULL;

	TAILQ_FOREACH(c, &g->workers, entry)
		if (child_is_kept(c) && (last == NULL || c->id > last->id))
			last = c;
	if (last != NULL)
		child_stop(last, SIGTERM);
}

/*
 * "3 workers × 8 threads = 24 requests at once", "3 workers × 1000
 * connections"; of one thread it is plain.
 */
static void
gen_log_ready(const struct gen *g)
{
	int threads = conf_threads(g->conf);
	char text[80] = "";

	if (g->conf->s.worker_class == CLASS_ASYNC)
		snprintf(text, sizeof(text), " × %d connections",
		    (int)g->conf->s.worker_connections);
	if (g->conf->s.worker_class == CLASS_THREADED)
		snprintf(text, sizeof(text), " × %d thread%s = %d requests at "
		    "once", threads, threads == 1 ? "" : "s",
		    g->target * threads);
	log_info("app %s: ready (%d worker%s%s)", g->app->name, g->target,
	    g->target == 1 ? "" : "s", text);
}

static void
gen_check_complete(struct gen *g)
{
	if (g->complete || gen_count(g, CHILD_READY) != g->target)
		return;
	g->complete = true;
	gen_log_ready(g);
	if (g->awaited)
		reload_on_ready(g);
	heritage_on_ready(g->app->master);
}

/*
 * The first worker shows whether the application can be imported; the others
 * follow when it is ready, so that a broken one gives one traceback.
 */
static void
gen_grow(struct gen *g, int live, int want)
{
	int booting;

	if (g->template.state == CHILD_NONE)
		child_start_template(g);
	if (g->template.state != CHILD_READY)
		return;
	booting = gen_count(g, CHILD_ORDERED) + gen_count(g, CHILD_BOOTING);
	for (; live < want && booting < GEN_BOOTS; live++, booting++)
		if (child_order(g) == -1)
			break;
}

void
gen_fill(struct gen *g)
{
	const struct child *c;
	int live = 0, want = g->proved ? g->target : 1;

	if (g->retired)
		return;
	TAILQ_FOREACH(c, &g->workers, entry)
		live += child_is_kept(c);
	for (; live > want; live--)
		gen_stop_last(g);
	if (!evtimer_pending(&g->retry, NULL))
		gen_grow(g, live, want);
	gen_check_complete(g);
}

void
gen_retire(struct gen *g, int signo)
{
	struct master *m = g->app->master;
	struct child *c, *next;

	/* Before they are told to leave: what else must they drain? */
	if (gen_close_socks(g))
		m->board->stop_queue = 1;
	g->retired = true;
	event_del(&g->retry);
	child_stop(&g->template, SIGTERM);
	TAILQ_FOREACH_SAFE(c, &g->workers, entry, next)
		child_stop(c, signo);
	if (g->app->serving == g)
		g->app->serving = NULL;
	if (g->app->next == g)
		g->app->next = NULL;
	TAILQ_INSERT_TAIL(&g->app->old, g, entry);
	master_tidy(m);
}

void
gen_on_worker_ready(struct gen *g)
{
	g->proved = true;
	g->failures = 0;
	gen_fill(g);
	recycle_go_on(g);
	master_notice(g->app->master);
}

/* While one application fails to start, systemd must not end the others. */
static void
gen_ask_patience(const struct gen *g, int64_t s)
{
	if (!g->app->master->ready)
		sdaemon_notify("EXTEND_TIMEOUT_USEC=%lld", (long long)
		    (s * 1000 + g->conf->s.startup_timeout) * 1000);
}

/* 1, 2, 4 ... seconds. */
static void
gen_back_off(struct gen *g, unsigned before)
{
	struct timeval tv = { .tv_sec = GEN_BACKOFF };

	if (evtimer_pending(&g->retry, NULL))
		return;
	if (before < 5)
		tv.tv_sec = 1 << before;
	log_info("app %s: next try in %d s", g->app->name, (int)tv.tv_sec);
	event_add(&g->retry, &tv);
	gen_ask_patience(g, tv.tv_sec);
}

void
gen_on_boot_failure(struct gen *g, const char *who, int code, const char *why)
{
	struct app *app = g->app;

	if (g->retired)
		return;
	if (g == app->next) {
		reload_on_failure(g, who, why);
		return;
	}
	log_errorx("app %s: %s failed to boot: %s", app->name, who, why);
	if (g->awaited)
		reload_on_failure(g, who, why);
	heritage_on_failure(g, who, why);
	if (app->boot_code == 0)
		app->boot_code = code;
	master_notice(app->master);
	if (!g->retired)
		gen_back_off(g, g->failures++);
}

/* Several crashes in a short time: it may be every request that crashes. */
static void
gen_on_crash(struct gen *g)
{
	int64_t now = clock_ms();

	g->crashes = now - g->crash_ms < GEN_CRASH_MS ? g->crashes + 1 : 1;
	g->crash_ms = now;
	if (g->crashes < GEN_CRASHES)
		return;
	log_errorx("app %s: %u workers in a row died by a signal, at most %d s "
	    "after each other", g->app->name, g->crashes, GEN_CRASH_MS / 1000);
	gen_back_off(g, g->crashes - GEN_CRASHES);
}

/* One that dies at once may be bad luck; the next one is a crash loop. */
void
gen_on_death(struct gen *g, bool at_once, bool crashed)
{
	if (g->retired)
		return;
	g->quick = at_once ? g->quick + 1 : 0;
	if (g->quick > 1)
		gen_back_off(g, g->quick - 2);
	else if (crashed)
		gen_on_crash(g);
	gen_fill(g);
}

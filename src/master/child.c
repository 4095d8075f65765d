/* SPDX-License-Identifier: MIT */
/* Templates and workers as processes: start, order, deadline, stop. */
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
#include "os/channel.h"
#include "os/fds.h"
#include "os/logfile.h"
#include "os/sdaemon.h"
#include "os/signals.h"
#include "worker/template.h"

#define CHILD_LEAVE_MS	5000	/* for exit handlers */
#define CHILD_SPARE_MS	1000	/* a worker leaves by itself before it must */

void
child_set_timer(struct child *c, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000,
	    .tv_usec = ms % 1000 * 1000 };

	event_del(&c->timer);
	if (ms > 0)
		event_add(&c->timer, &tv);
}

void
child_signal(const struct child *c, int signo)
{
	if (c->pid > 0 && kill(c->pid, signo) == -1)
		log_warn("kill %d", c->pid);
}

const char *
child_name(const struct child *c)
{
	static char name[64];

	if (c->id < 0)
		snprintf(name, sizeof(name), "template (pid %d)", c->pid);
	else
		snprintf(name, sizeof(name), "worker %d (pid %d)", c->id,
		    c->pid);
	return name;
}

const char *
child_who(const struct child *c)
{
	return c->id < 0 ? "template" : "worker";
}

unsigned
child_requests(const struct child *c, struct slot_view *longest)
{
	const struct slot *s = &c->gen->app->master->board->slots[c->slot];
	struct slot_view v;
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < c->nslots; i++)
		if (slot_read(&s[i], &v) && (n++ == 0 ||
		    v.start_ns < longest->start_ns))
			*longest = v;
	return n;
}

/* ", serving GET /x for 3.2 s and 2 more", or nothing. */
const char *
child_request(const struct child *c)
{
	static char text[sizeof(struct slot_view) + 64];
	struct slot_view v;
	unsigned n = child_requests(c, &v);
	char more[32] = "";

	*text = '\0';
	if (n > 1)
		snprintf(more, sizeof(more), " and %u more", n - 1);
	if (n > 0)
		snprintf(text, sizeof(text), ", serving %s %s for %.1f s%s",
		    v.method, v.uri, (double)(clock_ns() - v.start_ns) / 1e9,
		    more);
	return text;
}

void
child_fail(struct child *c, int code, const char *why)
{
	c->state = CHILD_FAILED;
	child_set_timer(c, c->pid != 0 ? CHILD_LEAVE_MS : 0);
	gen_on_boot_failure(c->gen, child_who(c), code, why);
}

static void
child_on_boot_timeout(struct child *c)
{
	struct gen *g = c->gen;
	char why[80];

	snprintf(why, sizeof(why), "not ready after %g s (startup_timeout)",
	    (double)g->conf->s.startup_timeout / 1000);
	/* Nobody forked it: the template is stuck. */
	child_signal(c->pid != 0 ? c : &g->template, SIGKILL);
	child_fail(c, 3, why);
}

static void
child_on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct child *c = arg;

	if (c->state == CHILD_READY) {
		recycle_want(c, false, "max_worker_age");
		return;
	}
	if (c->state != CHILD_STOPPING && c->state != CHILD_FAILED) {
		child_on_boot_timeout(c);
		return;
	}
	if (c->pid == 0) {		/* nor will it come any more */
		master_tidy(c->gen->app->master);
		child_free(c);
		return;
	}
	log_warnx("app %s: %s killed: did not leave in time%s",
	    c->gen->app->name, child_name(c), child_request(c));
	c->killed = true;
	child_signal(c, SIGKILL);
}

void
child_init(struct child *c, struct gen *g, int id)
{
	c->gen = g;
	c->id = id;
	evtimer_assign(&c->timer, g->app->master->base, child_on_timer, c);
}

void
child_free(struct child *c)
{
	struct gen *g = c->gen;

	event_del(&c->timer);
	master_give_slots(g->app->master, c->slot, c->nslots);
	TAILQ_REMOVE(&g->workers, c, entry);
	free(c);
}

/* In the child: nothing of the master's stays but what is handed over. */
static void NORETURN
child_be_template(struct gen *g)
{
	struct master *m = g->app->master;
	struct listener **ls = xcalloc(g->nsocks, sizeof(*ls));
	int *fds = xcalloc(g->nsocks + 2, sizeof(*fds));
	size_t i;

	for (i = 0; i < g->nsocks; i++) {
		ls[i] = g->socks[i]->listener;
		fds[i] = ls[i]->fd;
	}
	fds[i++] = g->far;
	fds[i++] = logfile_error_fd();
	sdaemon_fini();
	logfile_pause();
	fds_keep(fds, i);
	logfile_resume();
	free(fds);
	template_run(&(struct template){
		.app = g->conf, .listeners = ls, .nlisteners = g->nsocks,
		.board = m->board, .generation = g->number,
		.channel = g->far, .detach = m->daemon,
		.setup = { g->conf, m->argc, m->argv }
	});
}

void
child_start_template(struct gen *g)
{
	struct child *c = &g->template;
	char why[128];
	sigset_t was;

	signals_block(&was);
	c->pid = fork();
	if (c->pid == 0)
		child_be_template(g);
	signals_unblock(&was);
	if (c->pid == -1) {
		snprintf(why, sizeof(why), "cannot fork: %s",
		    strerror(errno));
		c->pid = 0;
		gen_on_boot_failure(g, "template", 3, why);
		return;
	}
	c->state = CHILD_BOOTING;
	child_set_timer(c, g->conf->s.startup_timeout);
}

bool
child_is_wanted(const struct child *c)
{
	return c->state == CHILD_ORDERED || c->state == CHILD_BOOTING ||
	    c->state == CHILD_READY;
}

bool
child_is_kept(const struct child *c)
{
	return child_is_wanted(c) && c->renewal != RENEWAL_ORDERED;
}

/* The lowest id that no worker has who keeps it. */
static int
child_free_id(const struct gen *g)
{
	const struct child *c;
	bool *taken;
	int n = 0, id;

	TAILQ_FOREACH(c, &g->workers, entry)
		n++;
	taken = xcalloc((size_t)n + 1, sizeof(*taken));
	TAILQ_FOREACH(c, &g->workers, entry)
		if (child_is_kept(c) && c->id < n)
			taken[c->id] = true;
	for (id = 0; taken[id]; id++)
		;
	free(taken);
	return id;
}

int
child_order(struct gen *g)
{
	struct chan_order order = { .worker = child_free_id(g) };
	uint32_t nslots = (uint32_t)conf_threads(g->conf);
	struct child *c;
	int slot;

	slot = master_take_slots(g->app->master, nslots);
	if (slot == -1)
		return -1;
	order.slot = (uint32_t)slot;
	if (channel_send(g->near, &order, sizeof(order)) == -1) {
		log_warn("app %s: order to the template", g->app->name);
		master_give_slots(g->app->master, order.slot, nslots);
		return -1;
	}
	c = xcalloc(1, sizeof(*c));
	child_init(c, g, order.worker);
	c->slot = order.slot;
	c->nslots = nslots;
	c->state = CHILD_ORDERED;
	TAILQ_INSERT_TAIL(&g->workers, c, entry);
	child_set_timer(c, g->conf->s.startup_timeout);
	return 0;
}

void
child_detach(struct gen *g)
{
	struct chan_order order = { .worker = ORDER_DETACH };

	if (channel_send(g->near, &order, sizeof(order)) == -1)
		log_warn("app %s: order to the template", g->app->name);
}

static int64_t
child_grace(const struct child *c, int signo)
{
	const struct app_settings *s = &c->gen->conf->s;

	if (c->pid == 0)
		return 0;
	if (c->id < 0 || signo != SIGTERM)
		return CHILD_LEAVE_MS;
	return s->graceful_timeout == 0 ? 0 : s->graceful_timeout +
	    s->abort_grace + CHILD_LEAVE_MS + CHILD_SPARE_MS;
}

void
child_send_away(struct child *c, int signo)
{
	child_signal(c, signo);
	c->state = CHILD_STOPPING;
	child_set_timer(c, child_grace(c, signo));
}

/*
 * An order that was given cannot be taken back: its worker is sent away when it
 * says that it exists, and keeps its slot until then.
 */
void
child_stop(struct child *c, int signo)
{
	bool is_template = c->id < 0;

	if ((is_template && c->pid == 0) ||
	    (!child_is_wanted(c) && signo == SIGTERM))
		return;
	child_send_away(c, signo);
}

struct child *
child_of_pid(struct gen *g, pid_t pid)
{
	struct child *c;

	if (g->template.pid == pid)
		return &g->template;
	TAILQ_FOREACH(c, &g->workers, entry)
		if (c->pid == pid)
			return c;
	return NULL;
}

struct child *
child_on_slot(struct gen *g, uint32_t slot)
{
	struct child *c;

	TAILQ_FOREACH(c, &g->workers, entry)
		if (c->pid == 0 && c->slot == slot)
			return c;
	return NULL;
}

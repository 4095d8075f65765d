/* SPDX-License-Identifier: MIT */
/*
 * Templates and workers as processes. What they say is hostile: the pid is the
 * kernel's, and a message that does not fit its sender's state is dropped.
 */
#include <sys/resource.h>
#include <sys/wait.h>

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

#define CHILD_MESSAGES	64	/* taken in one turn of the loop */
#define CHILD_SOON_MS	1000
#define CHILD_LEAVE_MS	5000	/* for exit handlers */
#define CHILD_SAY_MS	500	/* until a worker has said that it exists */

static void
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

/* "worker 3 (pid 812)", "template (pid 811)" */
static const char *
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

static const char *
child_who(const struct child *c)
{
	return c->id < 0 ? "template" : "worker";
}

/* ", serving GET /x for 3.2 s", or nothing. */
static const char *
child_request(const struct child *c)
{
	static char text[sizeof(struct slot_view) + 64];
	struct slot_view v;

	*text = '\0';
	if (c->id >= 0 &&
	    slot_read(&c->gen->app->master->board->slots[c->slot], &v))
		snprintf(text, sizeof(text), ", serving %s %s for %.1f s",
		    v.method, v.uri, (double)(clock_ns() - v.start_ns) / 1e9);
	return text;
}

/* A boot failure is told once; what follows is only the end of a process. */
static void
child_fail(struct child *c, int code, const char *why)
{
	c->state = CHILD_FAILED;
	child_set_timer(c, CHILD_LEAVE_MS);
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
	master_give_slot(g->app->master, c->slot);
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
		.argc = m->argc, .argv = m->argv
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

/* The lowest id that no worker of this generation has or keeps. */
static int
child_free_id(const struct gen *g)
{
	const struct child *c;
	int id = 0;

again:
	TAILQ_FOREACH(c, &g->workers, entry)
		if (child_is_wanted(c) && c->id == id) {
			id++;
			goto again;
		}
	return id;
}

int
child_order(struct gen *g)
{
	struct chan_order order = { .worker = child_free_id(g) };
	struct child *c;
	int slot;

	slot = master_take_slot(g->app->master);
	if (slot == -1)
		return -1;
	order.slot = (uint32_t)slot;
	if (channel_send(g->near, &order, sizeof(order)) == -1) {
		log_warn("app %s: order to the template", g->app->name);
		master_give_slot(g->app->master, order.slot);
		return -1;
	}
	c = xcalloc(1, sizeof(*c));
	child_init(c, g, order.worker);
	c->slot = order.slot;
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

static void
child_send_away(struct child *c, int signo)
{
	int64_t grace = c->gen->conf->s.graceful_timeout;

	child_signal(c, signo);
	c->state = CHILD_STOPPING;
	child_set_timer(c, signo == SIGTERM && c->id >= 0 && c->pid != 0 ?
	    grace : CHILD_LEAVE_MS);
}

void
child_stop(struct child *c, int signo)
{
	bool is_template = c->id < 0;

	if ((is_template && c->pid == 0) ||
	    (!child_is_wanted(c) && signo == SIGTERM))
		return;
	child_send_away(c, signo);
}

static struct child *
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

static struct child *
child_on_slot(struct gen *g, uint32_t slot)
{
	struct child *c;

	TAILQ_FOREACH(c, &g->workers, entry)
		if (c->pid == 0 && c->slot == slot)
			return c;
	return NULL;
}

/* A process that is our child, alive or not yet reaped. */
static bool
child_is_ours(pid_t pid)
{
	siginfo_t si;

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* One that is not wanted any more may serve already: it is asked to leave. */
static void
child_on_forked(struct gen *g, uint32_t slot, pid_t pid)
{
	struct child *c = child_on_slot(g, slot);

	if (child_of_pid(g, pid) != NULL || !child_is_ours(pid))
		return;
	if (c == NULL) {
		kill(pid, SIGKILL);
		return;
	}
	c->pid = pid;
	if (c->state == CHILD_ORDERED)
		c->state = CHILD_BOOTING;
	else
		child_send_away(c, SIGTERM);
}

static void
child_on_ready(struct child *c)
{
	struct gen *g = c->gen;

	event_del(&c->timer);
	c->state = CHILD_READY;
	c->ready_ms = clock_ms();
	if (c->id < 0) {
		gen_fill(g);
		return;
	}
	if (g->complete)
		log_info("app %s: %s ready", g->app->name, child_name(c));
	gen_on_worker_ready(g);
}

static int
child_exit_code(int code)
{
	return code == 1 || code == 4 ? code : 3;
}

/* The template could not fork the worker of this slot. */
static void
child_on_unforked(struct gen *g, uint32_t slot, const char *why)
{
	struct child *c = child_on_slot(g, slot);

	if (c == NULL)
		return;
	child_free(c);
	gen_on_boot_failure(g, "worker", 3, why);
	master_tidy(g->app->master);
}

static void
child_hear(struct gen *g, struct chan_msg *msg, pid_t pid)
{
	struct child *c;

	msg->text[sizeof(msg->text) - 1] = '\0';
	if (msg->kind == CHAN_FORKED) {
		child_on_forked(g, msg->slot, pid);
		return;
	}
	c = child_of_pid(g, pid);
	if (c == NULL)
		return;
	if (msg->kind == CHAN_UNFORKED && c->id < 0)
		child_on_unforked(g, msg->slot, msg->text);
	else if (c->state != CHILD_BOOTING)
		return;
	else if (msg->kind == (c->id < 0 ? CHAN_UP : CHAN_READY))
		child_on_ready(c);
	else if (msg->kind == CHAN_FAILED)
		child_fail(c, child_exit_code(msg->code), msg->text);
}

void
child_on_channel(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct chan_msg msg;
	pid_t pid;
	int i, rc;

	for (i = 0; i < CHILD_MESSAGES; i++) {
		rc = channel_take(fd, &msg, sizeof(msg), &pid);
		if (rc == -1)
			return;
		if (rc == 1)
			child_hear(arg, &msg, pid);
	}
}

/* "exited with code 3", "killed by SIGSEGV" */
static const char *
child_cause(int status)
{
	static char text[64];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by %s%s",
		    signals_name(WTERMSIG(status)),
		    WCOREDUMP(status) ? " (core dumped)" : "");
	else
		snprintf(text, sizeof(text), "exited with code %d",
		    WEXITSTATUS(status));
	return text;
}

/*
 * Orders that nobody will carry out: those still in the channel. One more may
 * have been taken from it, whose worker, if it exists, is about to say so.
 */
static void
child_forget_orders(struct gen *g)
{
	struct chan_order order;
	struct child *c;
	pid_t pid;

	while (channel_take(g->far, &order, sizeof(order), &pid) != -1)
		if ((c = child_on_slot(g, order.slot)) != NULL)
			child_free(c);
	TAILQ_FOREACH(c, &g->workers, entry)
		if (c->pid == 0) {
			c->state = CHILD_STOPPING;
			child_set_timer(c, CHILD_SAY_MS);
		}
}

/* Why it ended, unless that was told already or is nobody's concern. */
static void
child_log_end(const struct child *c, int status, const struct rusage *ru)
{
	const char *app = c->gen->app->name;

	if (child_is_wanted(c))
		log_errorx("app %s: %s %s%s; peak memory %ld MB", app,
		    child_name(c), child_cause(status), child_request(c),
		    ru->ru_maxrss / 1024);
	else if (c->state == CHILD_FAILED || c->id < 0)
		log_debug("app %s: %s %s", app, child_name(c),
		    child_cause(status));
	else if (status == 0)
		log_info("app %s: %s left", app, child_name(c));
	else
		log_info("app %s: %s %s", app, child_name(c),
		    child_cause(status));
}

static void
child_forget_template(struct gen *g)
{
	child_forget_orders(g);
	event_del(&g->template.timer);
	g->template.pid = 0;
	g->template.state = CHILD_NONE;
}

/* It was ready, and died soon and without having been of any use. */
static bool
child_died_at_once(const struct child *c)
{
	const struct board *b = c->gen->app->master->board;

	return c->state == CHILD_READY &&
	    clock_ms() - c->ready_ms < CHILD_SOON_MS &&
	    (c->id < 0 || b->slots[c->slot].requests == 0);
}

static void
child_on_end(struct child *c, int status, const struct rusage *ru)
{
	struct gen *g = c->gen;
	const char *who = child_who(c);
	bool booting = c->state == CHILD_BOOTING;
	bool at_once = child_died_at_once(c);

	child_log_end(c, status, ru);
	if (c->id < 0)
		child_forget_template(g);
	else
		child_free(c);
	if (booting)
		gen_on_boot_failure(g, who, 3, child_cause(status));
	gen_on_death(g, at_once);
	master_tidy(g->app->master);
}

static struct child *
child_find(struct master *m, pid_t pid)
{
	struct child *c = NULL;
	struct app *app;
	struct gen *g;

	TAILQ_FOREACH(app, &m->apps, entry) {
		if (app->serving != NULL)
			c = child_of_pid(app->serving, pid);
		if (c == NULL && app->next != NULL)
			c = child_of_pid(app->next, pid);
		TAILQ_FOREACH(g, &app->old, entry)
			if (c == NULL)
				c = child_of_pid(g, pid);
		if (c != NULL)
			return c;
	}
	return NULL;
}

static void
child_hear_all(struct master *m)
{
	struct app *app;
	struct gen *g;

	TAILQ_FOREACH(app, &m->apps, entry) {
		if (app->serving != NULL)
			child_on_channel(app->serving->near, 0, app->serving);
		if (app->next != NULL)
			child_on_channel(app->next->near, 0, app->next);
		TAILQ_FOREACH(g, &app->old, entry)
			child_on_channel(g->near, 0, g);
	}
}

/*
 * A zombie is looked at before it is reaped: what it said at last is in the
 * channel, and makes known who it was. Strangers are orphans of applications,
 * or, where the master is process 1, of anybody.
 */
void
child_reap(struct master *m)
{
	struct child *c;
	struct rusage ru;
	siginfo_t si;
	int status;

	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == -1 ||
		    si.si_pid == 0)
			return;
		child_hear_all(m);
		c = child_find(m, si.si_pid);
		if (wait4(si.si_pid, &status, 0, &ru) == -1)
			return;
		if (c != NULL)
			child_on_end(c, status, &ru);
		else
			log_debug("reaped process %d", si.si_pid);
	}
}

/* SPDX-License-Identifier: MIT */
/* The one place that reaps, and tells why a process ended. */
#include <sys/resource.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "os/cgroup.h"
#include "os/channel.h"
#include "os/signals.h"
#include "worker/template.h"

#define REAP_SOON_MS	1000
#define REAP_SAY_MS	500	/* until a worker has said that it exists */

/* "exited with code 3", "killed by SIGSEGV" */
static const char *
reap_cause(int status)
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
reap_orders(struct gen *g)
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
			child_set_timer(c, REAP_SAY_MS);
		}
}

/* The kernel counts what it kills for lack of memory; it does not say whom. */
static const char *
reap_memory(struct master *m, int status)
{
	int64_t before = m->oom_kills;

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return "";
	m->oom_kills = cgroup_oom_kills("");
	return m->oom_kills > before ? " (out of memory)" : "";
}

/* Of its own accord: what we did ourselves was told when we did it. */
static bool
reap_is_unexpected(const struct child *c)
{
	return child_is_wanted(c) && !c->stuck && !c->killed;
}

/* Why it ended, unless that was told already or is nobody's concern. */
static void
reap_log(const struct child *c, int status, const char *memory,
    const struct rusage *ru)
{
	const char *app = c->gen->app->name;

	if (reap_is_unexpected(c))
		log_errorx("app %s: %s %s%s%s; peak memory %ld MB", app,
		    child_name(c), reap_cause(status), memory,
		    child_request(c), ru->ru_maxrss / 1024);
	else if (c->state == CHILD_FAILED || c->id < 0)
		log_debug("app %s: %s %s", app, child_name(c),
		    reap_cause(status));
	else if (status == 0)
		log_info("app %s: %s left", app, child_name(c));
	else
		log_info("app %s: %s %s", app, child_name(c),
		    reap_cause(status));
}

static void
reap_template(struct gen *g)
{
	reap_orders(g);
	event_del(&g->template.timer);
	g->template.pid = 0;
	g->template.state = CHILD_NONE;
}

static bool
reap_has_served(const struct child *c)
{
	const struct board *b = c->gen->app->master->board;
	uint32_t i;

	for (i = 0; i < c->nslots; i++)
		if (b->slots[c->slot + i].count[COUNT_REQUESTS] > 0)
			return true;
	return false;
}

/* It was ready, and died soon and without having been of any use. */
static bool
reap_died_at_once(const struct child *c)
{
	return c->state == CHILD_READY && reap_is_unexpected(c) &&
	    clock_ms() - c->ready_ms < REAP_SOON_MS &&
	    (c->id < 0 || !reap_has_served(c));
}

/* By a signal, and not one that somebody may have had a reason to send. */
static bool
reap_crashed(const struct child *c, int status, const char *memory)
{
	return reap_is_unexpected(c) && WIFSIGNALED(status) &&
	    WTERMSIG(status) != SIGTERM &&
	    (WTERMSIG(status) != SIGKILL || *memory != '\0');
}

static void
reap_child(struct child *c, int status, const struct rusage *ru)
{
	struct gen *g = c->gen;
	const char *who = child_who(c);
	const char *memory = reap_memory(g->app->master, status);
	bool booting = c->state == CHILD_BOOTING;
	bool at_once = reap_died_at_once(c);
	bool crashed = reap_crashed(c, status, memory);

	reap_log(c, status, memory, ru);
	if (c->id < 0)
		reap_template(g);
	else
		child_free(c);
	if (booting)
		gen_on_boot_failure(g, who, 3, reap_cause(status));
	gen_on_death(g, at_once, crashed);
	recycle_go_on(g);
	master_tidy(g->app->master);
}

static struct child *
reap_find_in(struct gen *g, struct child *found, pid_t pid)
{
	return found != NULL || g == NULL ? found : child_of_pid(g, pid);
}

static struct child *
reap_find(struct master *m, pid_t pid)
{
	struct child *c = NULL;
	struct app *app;
	struct gen *g;

	TAILQ_FOREACH(app, &m->apps, entry) {
		c = reap_find_in(app->serving, c, pid);
		c = reap_find_in(app->next, c, pid);
		TAILQ_FOREACH(g, &app->old, entry)
			c = reap_find_in(g, c, pid);
	}
	return c;
}

/*
 * A zombie is looked at before it is reaped: what it said at last is in the
 * channel, and makes known who it was. Strangers are orphans of applications,
 * or, where the master is process 1, of anybody.
 */
void
reap_all(struct master *m)
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
		hear_all(m);
		c = reap_find(m, si.si_pid);
		if (wait4(si.si_pid, &status, 0, &ru) == -1)
			return;
		if (c != NULL)
			reap_child(c, status, &ru);
		else
			log_debug("reaped process %d", si.si_pid);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * What templates and workers say. It is hostile: the pid is the kernel's, and a
 * message that does not fit its sender's state is dropped.
 */
#include <sys/wait.h>

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "os/channel.h"
#include "worker/template.h"

#define HEAR_MESSAGES	64	/* taken in one turn of the loop */

/* A process that is our child, alive or not yet reaped. */
static bool
hear_is_ours(pid_t pid)
{
	siginfo_t si;

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* One that is not wanted any more may serve already: it is asked to leave. */
static void
hear_forked(struct gen *g, uint32_t slot, pid_t pid)
{
	struct child *c = child_on_slot(g, slot);

	if (child_of_pid(g, pid) != NULL || !hear_is_ours(pid))
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
hear_ready(struct child *c)
{
	struct gen *g = c->gen;

	event_del(&c->timer);
	c->state = CHILD_READY;
	c->ready_ms = clock_ms();
	if (c->id < 0) {
		gen_fill(g);
		return;
	}
	child_set_timer(c, recycle_age(g));
	watch_look(g->app->master);
	if (g->complete)
		log_info("app %s: %s ready", g->app->name, child_name(c));
	gen_on_worker_ready(g);
}

static int
hear_exit_code(int code)
{
	return code == 1 || code == 4 ? code : 3;
}

/* The template could not fork the worker of this slot. */
static void
hear_unforked(struct gen *g, uint32_t slot, const char *why)
{
	struct child *c = child_on_slot(g, slot);

	if (c == NULL)
		return;
	child_free(c);
	gen_on_boot_failure(g, "worker", 3, why);
	master_tidy(g->app->master);
}

/* It may ask again out of turn, but not twice for the same. */
static void
hear_retire(struct child *c, const struct chan_msg *msg)
{
	bool stuck = msg->code == RETIRE_STUCK;

	if (c->state == CHILD_READY && (c->renewal == RENEWAL_NONE ||
	    (stuck && !c->stuck)))
		recycle_want(c, stuck, msg->text);
}

static void
hear_message(struct gen *g, struct chan_msg *msg, pid_t pid)
{
	struct child *c;

	msg->text[sizeof(msg->text) - 1] = '\0';
	if (msg->kind == CHAN_FORKED) {
		hear_forked(g, msg->slot, pid);
		return;
	}
	c = child_of_pid(g, pid);
	if (c == NULL)
		return;
	if (msg->kind == CHAN_UNFORKED && c->id < 0)
		hear_unforked(g, msg->slot, msg->text);
	else if (msg->kind == CHAN_RETIRE && c->id >= 0)
		hear_retire(c, msg);
	else if (c->state != CHILD_BOOTING)
		return;
	else if (msg->kind == (c->id < 0 ? CHAN_UP : CHAN_READY))
		hear_ready(c);
	else if (msg->kind == CHAN_FAILED)
		child_fail(c, hear_exit_code(msg->code), msg->text);
}

void
hear_on_channel(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct chan_msg msg;
	pid_t pid;
	int i, rc;

	for (i = 0; i < HEAR_MESSAGES; i++) {
		rc = channel_take(fd, &msg, sizeof(msg), &pid);
		if (rc == -1)
			return;
		if (rc == 1)
			hear_message(arg, &msg, pid);
	}
}

static void
hear_gen(struct gen *g)
{
	if (g != NULL)
		hear_on_channel(g->near, 0, g);
}

void
hear_all(struct master *m)
{
	struct app *app;
	struct gen *g;

	TAILQ_FOREACH(app, &m->apps, entry) {
		hear_gen(app->serving);
		hear_gen(app->next);
		TAILQ_FOREACH(g, &app->old, entry)
			hear_gen(g);
	}
}

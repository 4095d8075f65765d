/* SPDX-License-Identifier: MIT */
/* What a worker is before it is one: identity, interpreter, fork on order. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/fds.h"
#include "os/logfile.h"
#include "os/priv.h"
#include "os/signals.h"
#include "os/title.h"
#include "worker/template.h"

static volatile sig_atomic_t template_reopen;

static void
template_on_usr1(int signo UNUSED)
{
	template_reopen = 1;
}

/*
 * A terminal sends INT and QUIT to everybody; the master then ends templates
 * with TERM, which has its default.
 */
static const struct signal_action template_signals[] = {
	{ SIGINT, signals_nothing, SA_RESTART },
	{ SIGQUIT, signals_nothing, SA_RESTART },
	{ SIGHUP, signals_nothing, SA_RESTART },
	{ SIGUSR2, signals_nothing, SA_RESTART },
	{ SIGUSR1, template_on_usr1, SA_RESTART },
};

static int
template_set_env(const struct conf_app *app, struct err *err)
{
	const struct strlist *env = &app->s.env;
	size_t i;

	setenv("SERVER_SOFTWARE", "saola/" SAOLA_VERSION, 1);
	for (i = 0; i < env->n; i++)
		if (strchr(env->v[i], '=') == NULL ||
		    putenv(xstrdup(env->v[i])) != 0)
			return err_set(err, "env: %s is not NAME=VALUE",
			    env->v[i]);
	return 0;
}

/* As root as long as that may be needed; never when Python starts. */
static int
template_become(const struct conf_app *app, struct err *err)
{
	const struct app_settings *s = &app->s;
	struct priv priv;

	if (s->chdir != NULL && *s->chdir != '\0' && chdir(s->chdir) == -1)
		return err_set(err, "chdir %s: %s", s->chdir, strerror(errno));
	if (priv_find(s->user, s->group, &priv, err) == -1 ||
	    priv_become(&priv, err) == -1)
		return -1;
	if (s->umask != SETTING_NO_MODE)
		umask(s->umask);
	return template_set_env(app, err);
}

/*
 * Workers that import the application themselves also start Python themselves:
 * they would write to nearly every page of an interpreter started here, which
 * was then one more copy, 2.5 MB of it.
 */
static int
template_boot(const struct template *t, struct err *err)
{
	if (template_become(t->app, err) == -1)
		return -1;
	if (!t->app->s.preload)
		return 0;
	if (py_boot(&t->setup, err) == -1 || py_load(t->app, err) == -1)
		return -1;
	py_freeze();
	return 0;
}

/*
 * The middle process is gone when the gate opens, and this one the master's
 * child; it stays shut if the template died in between.
 */
static void NORETURN
template_be_worker(const struct template *t, const struct chan_order *order,
    int gate)
{
	static struct worker w;
	char byte;

	if (read(gate, &byte, 1) != 1)
		_exit(0);
	close(gate);
	w.app = t->app;
	w.listeners = t->listeners;
	w.nlisteners = t->nlisteners;
	w.board = t->board;
	w.slot = &t->board->slots[order->slot];
	w.nslots = (unsigned)conf_threads(t->app);
	w.id = order->worker;
	w.generation = t->generation;
	w.channel = t->channel;
	w.detach = t->detach;
	worker_run(&w, t->app->s.preload ? NULL : &t->setup);
}

static void NORETURN
template_be_middle(const struct template *t, const struct chan_order *order,
    int gate[2])
{
	pid_t pid = fork();

	if (pid != 0)
		_exit(pid == -1 ? errno : 0);
	close(gate[1]);
	py_fork_child();
	template_be_worker(t, order, gate[0]);
}

/* 0, or the errno of the fork that failed. */
static int
template_fork_twice(const struct template *t, const struct chan_order *order,
    int gate[2])
{
	sigset_t was;
	pid_t pid;
	int status = 0, failed;

	signals_block(&was);
	py_fork_prepare();
	pid = fork();
	if (pid == 0)
		template_be_middle(t, order, gate);
	failed = pid == -1 ? errno : 0;
	py_fork_parent();
	signals_unblock(&was);
	if (pid == -1)
		return failed;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int
template_fork(const struct template *t, const struct chan_order *order)
{
	int gate[2], failed;

	if (pipe2(gate, O_CLOEXEC) == -1)
		return errno;
	failed = template_fork_twice(t, order, gate);
	if (failed == 0 && write(gate[1], "", 1) != 1)
		failed = errno;
	close(gate[0]);
	close(gate[1]);
	return failed;
}

static void
template_obey(struct template *t, const struct chan_order *order)
{
	struct err err;
	int failed;

	if (order->worker == ORDER_DETACH) {
		fds_mute();
		return;
	}
	failed = template_fork(t, order);
	if (failed == 0)
		return;
	err_setc(&err, 3, "cannot fork: %s", strerror(failed));
	chan_say(t->channel, CHAN_UNFORKED, order->slot, &err);
}

/* Until the master's end of the channel is gone. */
static void
template_serve(struct template *t)
{
	struct chan_order order;
	ssize_t n;

	for (;;) {
		n = recv(t->channel, &order, sizeof(order), 0);
		if (n == 0 || (n == -1 && errno != EINTR))
			return;
		if (template_reopen) {
			template_reopen = 0;
			logfile_reopen_error();
		}
		if (n == sizeof(order))
			template_obey(t, &order);
	}
}

void
template_run(struct template *t)
{
	struct err err;

	title_set("template %s", t->app->name);
	signals_start(template_signals, nitems(template_signals));
	if (template_boot(t, &err) == -1) {
		chan_say(t->channel, CHAN_FAILED, 0, &err);
		_exit(err.code);
	}
	chan_say(t->channel, CHAN_UP, 0, NULL);
	template_serve(t);
	_exit(0);
}

void
template_check(struct template *t)
{
	struct err err;

	title_set("check %s", t->app->name);
	signals_start(NULL, 0);
	if (template_become(t->app, &err) == -1 ||
	    py_boot(&t->setup, &err) == -1 || py_load(t->app, &err) == -1) {
		log_errorx("app %s: %s", t->app->name, err.text);
		_exit(1);
	}
	py_shutdown();
	_exit(0);
}

/* SPDX-License-Identifier: MIT */
/*
 * --check-config: everything that a start does, up to a loaded application, in
 * a child that is thrown away. No socket is opened, so a live instance is not
 * disturbed.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"
#include "os/sdaemon.h"
#include "os/signals.h"
#include "req/access.h"
#include "worker/template.h"

static int
check_binds(const struct conf *conf, const struct conf_app *app,
    struct err *err)
{
	struct listener_opts opts;
	struct strlist binds = { 0 };
	struct addr a;
	size_t i;
	int rc;

	rc = sock_options(app, &opts, err);
	if (rc == 0)
		rc = sock_binds(conf, app, &binds, err);
	for (i = 0; rc == 0 && i < binds.n; i++)
		rc = addr_parse(binds.v[i], &a, err);
	strlist_fini(&binds);
	return rc;
}

/* -1 if the application could not be loaded; the child said why. */
static int
check_load(const struct conf_app *app, int argc, char **argv)
{
	struct template t = { .app = app, .channel = -1,
	    .setup = { app, argc, argv } };
	sigset_t was;
	int status = 0;
	pid_t pid;

	signals_block(&was);
	pid = fork();
	if (pid == 0) {
		sdaemon_fini();
		template_check(&t);
	}
	signals_unblock(&was);
	if (pid == -1) {
		log_error("app %s: fork", app->name);
		return -1;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_errorx("app %s: killed by %s", app->name,
		    signals_name(WTERMSIG(status)));
	return status == 0 ? 0 : -1;
}

int
check_config(const struct conf *conf, int argc, char **argv)
{
	struct err err;
	size_t i;
	int code = 0;

	for (i = 0; i < conf->napps; i++) {
		if (check_binds(conf, conf->apps[i], &err) == -1 ||
		    access_check(conf->apps[i]->s.access_logformat,
		    &err) == -1)
			log_errorx("app %s (%s): %s", conf->apps[i]->name,
			    conf->apps[i]->where, err.text);
		else if (check_load(conf->apps[i], argc, argv) == 0)
			continue;
		code = 1;
	}
	return code;
}

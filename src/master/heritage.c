/* SPDX-License-Identifier: MIT */
/* The new master's side of an upgrade, until it is the only one. */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "master/control.h"
#include "master/upgrade.h"
#include "os/heir.h"

struct heritage {
	int		 fd;		/* to the old master */
	struct event	 on_message;
	char		*pidfile;	/* as it shall be; NULL: none */
	bool		 said;		/* that we are ready, or failed */
	bool		 alone;		/* the old master is gone */
};

/* The descriptor that the old master names, -1 if there is none. */
static int
heritage_fd(void)
{
	const char *text = getenv(UPGRADE_ENV);
	int64_t fd;

	if (text == NULL || str_parse_int(text, 3, INT32_MAX, &fd) == -1 ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return (int)fd;
}

void
heritage_init(struct master *m)
{
	int fd = heritage_fd();

	unsetenv(UPGRADE_ENV);
	if (fd == -1)
		return;
	m->heritage = xcalloc(1, sizeof(*m->heritage));
	m->heritage->fd = fd;
}

void
heritage_rename(struct master *m)
{
	struct heritage *h = m->heritage;

	if (h == NULL || m->pidfile == NULL)
		return;
	h->pidfile = m->pidfile;
	xasprintf(&m->pidfile, "%s.2", h->pidfile);
}

static void
heritage_say(struct heritage *h, const char *text)
{
	if (h->said)
		return;
	h->said = true;
	if (send(h->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		log_debug("the old master does not listen");
}

void
heritage_fail(struct master *m, const char *why)
{
	char text[UPGRADE_TEXT];

	if (m->heritage == NULL)
		return;
	snprintf(text, sizeof(text), "failed %s", why);
	heritage_say(m->heritage, text);
}

void
heritage_refuse(const char *why)
{
	struct heritage h = { .fd = heritage_fd() };
	struct master m = { .heritage = &h };

	if (h.fd != -1)
		heritage_fail(&m, why);
}

void
heritage_fini(struct master *m)
{
	struct heritage *h = m->heritage;

	if (h == NULL)
		return;
	if (event_initialized(&h->on_message))
		event_del(&h->on_message);
	close(h->fd);
	free(h->pidfile);
	free(h);
	m->heritage = NULL;
}

static void
heritage_take_pidfile(struct master *m)
{
	char *name = m->heritage->pidfile;

	if (name == NULL)
		return;
	if (rename(m->pidfile, name) == -1) {
		log_warn("pid file %s", name);
		return;
	}
	free(m->pidfile);
	m->pidfile = name;
	m->heritage->pidfile = NULL;
}

static void
heritage_take_over(struct master *m)
{
	sock_own_all(m);
	heritage_take_pidfile(m);
	heritage_fini(m);
	control_start(m);
	heir_fini();
	log_info("took over as the only master");
	master_notice(m);
}

static bool
heritage_is_complete(const struct master *m)
{
	const struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->serving == NULL || !app->serving->complete)
			return false;
	return true;
}

void
heritage_on_ready(struct master *m)
{
	struct heritage *h = m->heritage;

	if (h == NULL || m->stop != MASTER_RUNS || !heritage_is_complete(m))
		return;
	if (h->alone)
		heritage_take_over(m);
	else
		heritage_say(h, "ready");
}

void
heritage_on_failure(struct gen *g, const char *who, const char *why)
{
	struct master *m = g->app->master;
	struct err err;

	if (m->heritage == NULL || m->stop != MASTER_RUNS)
		return;
	err_set(&err, "app %s: %s failed to boot: %s", g->app->name, who, why);
	heritage_fail(m, err.text);
	log_info("leaving the field to the old master");
	m->code = 1;
	stop_yield(m);
}

/* It died without a word: somebody must go on, and that is us. */
static void
heritage_on_end(struct master *m)
{
	log_warnx("the old master is gone before this one serves");
	event_del(&m->heritage->on_message);
	m->heritage->alone = true;
	heritage_on_ready(m);
}

static void
heritage_on_message(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct master *m = arg;
	char text[16];
	ssize_t n;

	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	text[n > 0 ? n : 0] = '\0';
	if (m->stop != MASTER_RUNS)
		event_del(&m->heritage->on_message);
	else if (strcmp(text, "yours") == 0)
		heritage_take_over(m);
	else if (strcmp(text, "stop") == 0)
		stop_gracefully(m);
	else
		heritage_on_end(m);
}

void
heritage_start(struct master *m)
{
	struct heritage *h = m->heritage;

	if (h == NULL)
		return;
	event_assign(&h->on_message, m->base, h->fd, EV_READ | EV_PERSIST,
	    heritage_on_message, m);
	event_add(&h->on_message, NULL);
}

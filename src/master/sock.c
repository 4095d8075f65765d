/* SPDX-License-Identifier: MIT */
/*
 * The open listeners. A reload that keeps a bind text keeps its socket: it is
 * never closed in between, and neither is what waits in its queue lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "os/heir.h"
#include "os/priv.h"
#include "os/sdaemon.h"

static struct sock *
sock_find(struct master *m, const char *text)
{
	struct sock *s;

	TAILQ_FOREACH(s, &m->socks, entry)
		if (strcmp(s->listener->text, text) == 0)
			return s;
	return NULL;
}

/*
 * systemd keeps a copy, so that no connection is refused should we die: the
 * next master gets it back.
 */
static void
sock_store(const struct listener *l)
{
	char name[HEIR_NAME];

	if (l->inherited || l->shared)
		return;
	heir_name(name, sizeof(name), l->fd, &l->file);
	sdaemon_store(l->fd, name);
}

static void
sock_unstore(const struct listener *l)
{
	char name[HEIR_NAME];

	if (l->inherited || l->shared)
		return;
	heir_name(name, sizeof(name), l->fd, &l->file);
	sdaemon_unstore(name);
}

struct sock *
sock_get(struct master *m, const char *text, const struct listener_opts *opts,
    struct err *err)
{
	struct sock *s = sock_find(m, text);
	struct listener *l;

	if (s != NULL) {
		if (listener_update(s->listener, opts, err) == -1)
			return NULL;
		s->refs++;
		return s;
	}
	l = listener_open(text, opts, err);
	if (l == NULL)
		return NULL;
	sock_store(l);
	s = xcalloc(1, sizeof(*s));
	s->listener = l;
	s->refs = 1;
	TAILQ_INSERT_TAIL(&m->socks, s, entry);
	return s;
}

void
sock_own_all(struct master *m)
{
	struct sock *s;

	TAILQ_FOREACH(s, &m->socks, entry) {
		listener_own(s->listener);
		sock_store(s->listener);
	}
}

bool
sock_put(struct master *m, struct sock *s)
{
	bool ours = !s->listener->inherited && !s->listener->shared;

	if (--s->refs > 0)
		return false;
	sock_unstore(s->listener);
	TAILQ_REMOVE(&m->socks, s, entry);
	listener_close(s->listener);
	free(s);
	return ours;
}

/* Whether a bind text names this passed socket. */
static bool
sock_names(const char *text, size_t passed)
{
	struct addr a;
	struct err err;

	if (strncmp(text, "fd:", 3) != 0 || addr_parse(text, &a, &err) == -1)
		return false;
	if (a.kind == ADDR_FD)
		return a.fd == sdaemon_fd(passed);
	return strcmp(a.name, sdaemon_name(passed)) == 0;
}

static bool
sock_is_claimed(const struct conf *conf, size_t passed)
{
	size_t i, j;

	for (i = 0; i < conf->napps; i++)
		for (j = 0; j < conf->apps[i]->s.bind.n; j++)
			if (sock_names(conf->apps[i]->s.bind.v[j], passed))
				return true;
	return false;
}

/* A name of a unit file may stand for several sockets. */
static void
sock_add_bind(const char *text, struct strlist *out)
{
	char fd[32];
	size_t i, before = out->n;

	if (strncmp(text, "fd:", 3) == 0 && strncmp(text, "fd://", 5) != 0)
		for (i = 0; i < sdaemon_count(); i++)
			if (sock_names(text, i)) {
				snprintf(fd, sizeof(fd), "fd://%d",
				    sdaemon_fd(i));
				strlist_add(out, fd);
			}
	if (out->n == before)
		strlist_add(out, text);
}

/*
 * Sockets that systemd passed add to the binds: those that no bind names go to
 * the application of their name, or to the only one there is.
 */
int
sock_binds(const struct conf *conf, const struct conf_app *app,
    struct strlist *out, struct err *err)
{
	char fd[32];
	size_t i;

	for (i = 0; i < app->s.bind.n; i++)
		sock_add_bind(app->s.bind.v[i], out);
	for (i = 0; i < sdaemon_count(); i++) {
		if (heir_is_name(sdaemon_name(i)) ||
		    sock_is_claimed(conf, i) || (conf->napps > 1 &&
		    strcmp(sdaemon_name(i), app->name) != 0))
			continue;
		snprintf(fd, sizeof(fd), "fd://%d", sdaemon_fd(i));
		strlist_add(out, fd);
	}
	if (out->n == 0)
		return err_set(err, "nothing to listen on; set bind");
	return 0;
}

int
sock_options(const struct conf_app *app, struct listener_opts *o,
    struct err *err)
{
	const struct app_settings *s = &app->s;
	struct priv who, owner;

	if (priv_find(s->user, s->group, &who, err) == -1)
		return -1;
	if (priv_find(s->socket_owner, s->socket_group, &owner, err) == -1)
		return err_prefix(err, "socket");
	if (!priv_can_give())
		who.uid = who.gid = -1;
	o->backlog = (int)s->backlog;
	o->mode = s->socket_mode;
	o->owner = owner.uid != (uid_t)-1 ? owner.uid : who.uid;
	o->group = owner.gid != (gid_t)-1 ? owner.gid : who.gid;
	o->allow = &s->allow_from;
	o->nonblock = s->worker_class != CLASS_SYNC;
	return 0;
}

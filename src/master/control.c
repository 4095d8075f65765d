/* SPDX-License-Identifier: MIT */
/* Peers of the control socket: who they are, what they sent, what they get. */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/control.h"
#include "os/ctlpath.h"

#define CONTROL_LINE	1024		/* longest request */
#define CONTROL_ANSWER	(4 << 20)	/* a worker takes some 300 bytes */
#define CONTROL_PEERS	32
#define CONTROL_WAIT_S	10		/* for a request, or a slow reader */
#define CONTROL_PAUSE_MS 200		/* out of descriptors */

struct control {
	struct master		*master;
	struct listener		*listener;
	struct event		 on_peer;
	struct event		 pause;
	TAILQ_HEAD(, control_peer) peers;
	unsigned		 npeers;
	bool			 left;		/* to the next master */
};

struct control_peer {
	TAILQ_ENTRY(control_peer) entry;
	struct control		*control;
	int			 fd;
	struct event		 io;		/* with a time limit */
	char			 line[CONTROL_LINE];
	size_t			 used;
	struct json_out		 out;
	bool			 obeyed;	/* at this moment */
	enum control_wait	 wait;
	unsigned		 reload;	/* WAIT_RELOAD: for this one */
};

static const struct timeval control_limit = { .tv_sec = CONTROL_WAIT_S };

static void
control_listen(struct control *c)
{
	if (c->npeers < CONTROL_PEERS && !c->left)
		event_add(&c->on_peer, NULL);
}

static void
control_drop(struct control_peer *p)
{
	struct control *c = p->control;

	event_del(&p->io);
	close(p->fd);
	json_out_fini(&p->out);
	TAILQ_REMOVE(&c->peers, p, entry);
	free(p);
	c->npeers--;
	control_listen(c);
}

static void
control_write(struct control_peer *p)
{
	struct buf *b = &p->out.buf;
	ssize_t n;

	n = send(p->fd, buf_head(b), buf_len(b), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		control_drop(p);
		return;
	}
	if (n > 0)
		buf_drain(b, (size_t)n);
	if (buf_len(b) > 0)
		event_add(&p->io, &control_limit);
	else if (p->wait != WAIT_END)
		control_drop(p);
}

static void
control_on_writable(evutil_socket_t fd UNUSED, short what, void *arg)
{
	if ((what & EV_TIMEOUT) != 0)
		control_drop(arg);
	else
		control_write(arg);
}

/* The answer is in p->out. */
static void
control_answer(struct control_peer *p)
{
	if (p->out.failed) {
		json_out_fini(&p->out);
		json_out_init(&p->out, CONTROL_ANSWER);
		command_fail(&p->out, "the answer is too long");
	}
	if (buf_add(&p->out.buf, "\n", 1) == -1) {
		control_drop(p);
		return;
	}
	event_assign(&p->io, p->control->master->base, p->fd, EV_WRITE,
	    control_on_writable, p);
	control_write(p);
}

static void
control_obey(struct control_peer *p)
{
	struct master *m = p->control->master;

	event_del(&p->io);
	log_debug("control: %s", p->line);
	p->reload = m->reload.count + 1;
	p->obeyed = true;
	command_run(m, p->line, &p->out, &p->wait);
	p->obeyed = false;
	if (p->wait == WAIT_NO || p->wait == WAIT_END)
		control_answer(p);
}

static void
control_read(struct control_peer *p)
{
	char *end;
	ssize_t n;

	n = recv(p->fd, p->line + p->used, sizeof(p->line) - p->used,
	    MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		event_add(&p->io, &control_limit);
		return;
	}
	if (n <= 0) {
		control_drop(p);
		return;
	}
	p->used += (size_t)n;
	end = memchr(p->line, '\n', p->used);
	if (end != NULL) {
		*end = '\0';
		control_obey(p);
	} else if (p->used < sizeof(p->line))
		event_add(&p->io, &control_limit);
	else {
		command_fail(&p->out, "the request is too long");
		control_answer(p);
	}
}

static void
control_on_readable(evutil_socket_t fd UNUSED, short what, void *arg)
{
	if ((what & EV_TIMEOUT) != 0)
		control_drop(arg);
	else
		control_read(arg);
}

/* The mode of the socket's file says the same; it can be changed. */
static bool
control_knows(int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 &&
	    (cred.uid == 0 || cred.uid == geteuid());
}

static void
control_add(struct control *c, int fd)
{
	struct control_peer *p = xcalloc(1, sizeof(*p));

	p->control = c;
	p->fd = fd;
	json_out_init(&p->out, CONTROL_ANSWER);
	TAILQ_INSERT_TAIL(&c->peers, p, entry);
	c->npeers++;
	event_assign(&p->io, c->master->base, fd, EV_READ, control_on_readable,
	    p);
	event_add(&p->io, &control_limit);
}

/* Out of descriptors, the connection would be announced for ever. */
static void
control_rest(struct control *c)
{
	const struct timeval tv = { .tv_usec = CONTROL_PAUSE_MS * 1000 };

	log_warn("control socket");
	event_del(&c->on_peer);
	event_add(&c->pause, &tv);
}

static void
control_on_pause(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	control_listen(arg);
}

static void
control_on_peer(evutil_socket_t at, short what UNUSED, void *arg)
{
	struct control *c = arg;
	static struct log_rate rate;
	int fd;

	fd = accept4(at, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1) {
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED)
			control_rest(c);
		return;
	}
	if (!control_knows(fd)) {
		log_rated(&rate, LOG_WARN_, "control socket: refused a peer "
		    "of another user");
		close(fd);
		return;
	}
	control_add(c, fd);
	if (c->npeers == CONTROL_PEERS)
		event_del(&c->on_peer);
}

static struct listener *
control_open(const struct conf *conf, struct err *err)
{
	const struct listener_opts opts = {
		.backlog = CONTROL_PEERS, .mode = 0600, .owner = -1,
		.group = -1
	};
	struct listener *l;
	char *path, *text;

	if (conf->m.control != NULL && *conf->m.control != '\0')
		path = xstrdup(conf->m.control);
	else if ((path = ctlpath_choose(conf->name, err)) == NULL)
		return NULL;
	xasprintf(&text, "unix:%s", path);
	l = listener_open(text, &opts, err);
	free(text);
	free(path);
	return l;
}

void
control_start(struct master *m)
{
	struct control *c;
	struct err err;
	struct listener *l = control_open(m->config->conf, &err);

	if (l == NULL) {
		log_info("no control socket, saolactl cannot reach this "
		    "instance: %s", err.text);
		return;
	}
	listener_own(l);
	evutil_make_socket_nonblocking(l->fd);
	c = m->control = xcalloc(1, sizeof(*c));
	c->master = m;
	c->listener = l;
	TAILQ_INIT(&c->peers);
	event_assign(&c->on_peer, m->base, l->fd, EV_READ | EV_PERSIST,
	    control_on_peer, c);
	evtimer_assign(&c->pause, m->base, control_on_pause, c);
	control_listen(c);
	log_info("control socket %s", l->text);
}

/* At the end of the master: who waits for it hears of it now. */
void
control_stop(struct master *m)
{
	struct control *c = m->control;
	struct control_peer *p, *next;

	if (c == NULL)
		return;
	TAILQ_FOREACH_SAFE(p, &c->peers, entry, next)
		control_drop(p);
	event_del(&c->on_peer);
	event_del(&c->pause);
	listener_close(c->listener);
	free(c);
	m->control = NULL;
}

void
control_leave(struct master *m)
{
	struct control *c = m->control;

	if (c == NULL)
		return;
	c->left = true;
	event_del(&c->on_peer);
	listener_leave(c->listener);
}

struct listener *
control_listener(const struct master *m)
{
	return m->control != NULL ? m->control->listener : NULL;
}

/* It may be that the command that asked for it has not returned. */
static void
control_tell(struct control_peer *p, pid_t pid, const char *failure)
{
	if (*failure != '\0')
		command_fail(&p->out, "%s", failure);
	else
		command_ok(&p->out, pid);
	p->wait = WAIT_NO;
	if (!p->obeyed)
		control_answer(p);
}

void
control_on_reload(struct master *m, unsigned n, const char *failure)
{
	struct control_peer *p, *next;

	if (m->control == NULL)
		return;
	TAILQ_FOREACH_SAFE(p, &m->control->peers, entry, next)
		if (p->wait == WAIT_RELOAD && p->reload == n)
			control_tell(p, 0, failure);
}

void
control_on_upgrade(struct master *m, pid_t pid, const char *failure)
{
	struct control_peer *p, *next;

	if (m->control == NULL)
		return;
	TAILQ_FOREACH_SAFE(p, &m->control->peers, entry, next)
		if (p->wait == WAIT_UPGRADE)
			control_tell(p, pid, failure);
}

/* SPDX-License-Identifier: MIT */
/* The old master's side of an upgrade. */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/control.h"
#include "master/upgrade.h"
#include "os/heir.h"
#include "os/pidfile.h"
#include "os/sdaemon.h"
#include "os/signals.h"

#define UPGRADE_SPARE_MS	30000	/* besides startup_timeout */
#define UPGRADE_MAP		65536

struct upgrade {
	pid_t		 pid;
	int		 fd;		/* to the new master */
	struct event	 on_message;
	struct event	 timer;
};

bool
upgrade_runs(const struct master *m)
{
	return m->upgrade != NULL;
}

static void
upgrade_free(struct master *m)
{
	struct upgrade *u = m->upgrade;

	event_del(&u->on_message);
	event_del(&u->timer);
	close(u->fd);
	free(u);
	m->upgrade = NULL;
}

static void
upgrade_say(const struct upgrade *u, const char *text)
{
	if (send(u->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		log_warn("upgrade: process %d", u->pid);
}

static void
upgrade_refuse(struct master *m, const char *why)
{
	log_errorx("upgrade failed: %s; process %d serves on", why, getpid());
	control_on_upgrade(m, 0, why);
}

static void
upgrade_fail(struct master *m, const char *why)
{
	upgrade_free(m);
	upgrade_refuse(m, why);
	reload_go_on(m);
}

/* From now on nothing of what both have is ours to remove. */
static void
upgrade_leave(struct master *m)
{
	struct sock *s;

	TAILQ_FOREACH(s, &m->socks, entry)
		listener_leave(s->listener);
	control_leave(m);
	if (m->pidfile != NULL)
		pidfile_remove(m->pidfile);
	free(m->pidfile);
	m->pidfile = NULL;
}

/* One that was asked for meanwhile: it may have read the file before that. */
static void
upgrade_give_reload(struct master *m, pid_t pid)
{
	if (!m->reload.again)
		return;
	m->reload.again = false;
	kill(pid, SIGHUP);
	control_on_reload(m, m->reload.count + 1, "a new binary has taken "
	    "over, and reloads; its log says how that goes");
}

/* Only our word is heard by systemd until it knows of the other. */
static void
upgrade_hand_over(struct master *m)
{
	struct upgrade *u = m->upgrade;
	pid_t pid = u->pid;

	log_info("process %d serves, finishing requests", pid);
	upgrade_leave(m);
	sdaemon_notify("MAINPID=%d", pid);
	sdaemon_fini();
	upgrade_say(u, "yours");
	upgrade_give_reload(m, pid);
	upgrade_free(m);
	control_on_upgrade(m, pid, "");
	stop_yield(m);
}

static void
upgrade_on_message(evutil_socket_t fd, short what UNUSED, void *arg)
{
	static const char failed[] = "failed ";
	char text[UPGRADE_TEXT];
	ssize_t n;

	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	text[n > 0 ? n : 0] = '\0';
	if (strcmp(text, "ready") == 0)
		upgrade_hand_over(arg);
	else if (strncmp(text, failed, strlen(failed)) == 0)
		upgrade_fail(arg, text + strlen(failed));
	else
		upgrade_fail(arg, "the new master ended before it served");
}

static void
upgrade_on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct master *m = arg;

	kill(m->upgrade->pid, SIGKILL);
	upgrade_fail(m, "the new master did not serve in time");
}

/* It boots every application; 0: as long as it likes. */
static int64_t
upgrade_limit(const struct master *m)
{
	const struct app *app;
	int64_t ms = 0, n;

	TAILQ_FOREACH(app, &m->apps, entry) {
		if (app->serving == NULL)
			continue;
		n = app->serving->conf->s.startup_timeout;
		if (n == 0)
			return 0;
		/* A template, a first worker, then the others. */
		if (3 * n > ms)
			ms = 3 * n;
	}
	return ms + UPGRADE_SPARE_MS;
}

static void
upgrade_watch(struct master *m, pid_t pid, int fd)
{
	struct upgrade *u = m->upgrade = xcalloc(1, sizeof(*u));
	int64_t ms = upgrade_limit(m);
	const struct timeval tv = { .tv_sec = ms / 1000 };

	u->pid = pid;
	u->fd = fd;
	event_assign(&u->on_message, m->base, fd, EV_READ | EV_PERSIST,
	    upgrade_on_message, m);
	event_add(&u->on_message, NULL);
	evtimer_assign(&u->timer, m->base, upgrade_on_timer, m);
	if (ms > 0)
		event_add(&u->timer, &tv);
}

/* Those we have by a number that the new master knows are passed by it. */
static int
upgrade_pass(const struct listener *l, struct buf *map)
{
	if (fcntl(l->fd, F_SETFD, 0) == -1)
		return -1;
	return l->inherited ? 0 : heir_add(map, l->fd, &l->file);
}

static int
upgrade_pass_all(struct master *m, int far)
{
	const struct listener *control = control_listener(m);
	const struct sock *s;
	struct buf map;
	char fd[16];

	buf_init(&map, UPGRADE_MAP);
	TAILQ_FOREACH(s, &m->socks, entry)
		if (upgrade_pass(s->listener, &map) == -1)
			return -1;
	if (control != NULL && upgrade_pass(control, &map) == -1)
		return -1;
	snprintf(fd, sizeof(fd), "%d", far);
	sdaemon_pass();
	if (buf_add(&map, "", 1) == -1 || fcntl(far, F_SETFD, 0) == -1 ||
	    setenv(HEIR_ENV, buf_head(&map), 1) == -1)
		return -1;
	return setenv(UPGRADE_ENV, fd, 1);
}

/* In the child. All but what is passed is closed by the exec. */
static void NORETURN
upgrade_exec(struct master *m, int far)
{
	char why[UPGRADE_TEXT];

	signals_start(NULL, 0);
	if (upgrade_pass_all(m, far) == 0)
		execv(m->binary, m->argv);
	snprintf(why, sizeof(why), "failed cannot execute %s: %s", m->binary,
	    strerror(errno));
	send(far, why, strlen(why), MSG_NOSIGNAL);
	_exit(1);
}

static void
upgrade_fork(struct master *m)
{
	int fds[2];
	sigset_t was;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1) {
		upgrade_refuse(m, strerror(errno));
		return;
	}
	signals_block(&was);
	pid = fork();
	if (pid == 0)
		upgrade_exec(m, fds[1]);
	signals_unblock(&was);
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		upgrade_refuse(m, "cannot fork");
		return;
	}
	log_info("upgrade: starting %s as process %d", m->binary, pid);
	upgrade_watch(m, pid, fds[0]);
}

void
upgrade_start(struct master *m)
{
	if (m->stop != MASTER_RUNS || m->upgrade != NULL)
		return;
	if (m->heritage != NULL)
		upgrade_refuse(m, "this process is itself the new one");
	else if (m->reload.runs)
		upgrade_refuse(m, "a reload is going on");
	else if (getpid() == 1)
		upgrade_refuse(m, "the container ends with its process 1; "
		    "start another container");
	else
		upgrade_fork(m);
}

void
upgrade_cancel(struct master *m)
{
	if (m->upgrade == NULL)
		return;
	upgrade_say(m->upgrade, "stop");
	upgrade_free(m);
	control_on_upgrade(m, 0, "the server stops");
}

/* SPDX-License-Identifier: MIT */
/* Listening sockets: made, taken over, given up. */
#include <sys/stat.h>

#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/heir.h"
#include "os/listener.h"
#include "os/sdaemon.h"

#define LISTENER_QUEUE	4096	/* somaxconn's default */

static int
listener_allow(struct listener *l, const char *net, struct err *err)
{
	l->allow = xreallocarray(l->allow, l->nallow + 1, sizeof(*l->allow));
	if (addr_net_parse(net, &l->allow[l->nallow], err) == -1)
		return err_prefix(err, "allow_from");
	l->nallow++;
	return 0;
}

static int
listener_allow_all(struct listener *l, const struct strlist *nets,
    struct err *err)
{
	size_t i;

	if (nets != NULL && nets->n > 0) {
		for (i = 0; i < nets->n; i++)
			if (listener_allow(l, nets->v[i], err) == -1)
				return -1;
		return 0;
	}
	if (listener_allow(l, "127.0.0.0/8", err) == -1)
		return -1;
	return listener_allow(l, "::1", err);
}

/*
 * Would somebody other than the owner come as far as the socket? Asked only
 * where the socket's mode says that somebody should.
 */
static void
listener_check_door(const char *text, const char *dir,
    const struct listener_opts *opts)
{
	struct stat st;
	bool group;

	if (stat(dir, &st) == -1)
		return;
	group = (opts->mode & 070) != 0 && (opts->mode & 07) == 0 &&
	    opts->group == st.st_gid && (st.st_mode & S_IXGRP) != 0;
	if ((st.st_mode & S_IXOTH) == 0 && !group)
		log_warnx("%s: directory %s has mode %04o; a proxy that runs "
		    "as another user cannot enter it", text, dir,
		    st.st_mode & 07777);
}

static void
listener_check_doors(const char *text, const char *path,
    const struct listener_opts *opts)
{
	char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	char *slash;

	if ((opts->mode & 077) == 0 || *path != '/')
		return;
	snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/')) != dir) {
		*slash = '\0';
		listener_check_door(text, dir, opts);
	}
}

/*
 * Whether a path is free, after a stale socket was removed. Nobody behind it
 * is what ECONNREFUSED says of a socket; of a plain file it says nothing.
 */
static int
listener_clear_path(const char *text, const struct sockaddr_un *un,
    socklen_t len, struct err *err)
{
	struct stat st;
	int fd, rc;

	if (lstat(un->sun_path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return err_set(err, "%s: %s", text, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s: there is a file that is not a socket; "
		    "remove it or choose another path", text);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_set(err, "%s: socket: %s", text, strerror(errno));
	rc = connect(fd, (const struct sockaddr *)un, len) == 0 ? 0 : errno;
	close(fd);
	if (rc == ENOENT)
		return 0;
	if (rc != ECONNREFUSED)
		return err_set(err, "%s is in use: another process listens "
		    "there", text);
	if (unlink(un->sun_path) == -1 && errno != ENOENT)
		return err_set(err, "%s: cannot remove the stale socket: %s",
		    text, strerror(errno));
	return 0;
}

static int
listener_give(const struct listener *l, const char *path,
    const struct listener_opts *opts, struct err *err)
{
	if (opts->owner == (uid_t)-1 && opts->group == (gid_t)-1)
		return 0;
	if (lchown(path, opts->owner, opts->group) == -1)
		return err_set(err, "%s: cannot give the socket to its owner "
		    "and group: %s", l->text, strerror(errno));
	return 0;
}

/*
 * The file is born with its mode, by the umask, and gets its owner before
 * listen: until then a connect is refused.
 */
static int
listener_bind_path(struct listener *l, const struct addr *a,
    const struct listener_opts *opts, struct err *err)
{
	const char *path = a->sock.un.sun_path;
	struct stat st;
	mode_t was;
	int rc;

	if (listener_clear_path(l->text, &a->sock.un, a->len, err) == -1)
		return -1;
	was = umask(~opts->mode & 0777);
	rc = bind(l->fd, &a->sock.sa, a->len);
	umask(was);
	if (rc == -1)
		return err_set(err, "%s: %s%s", l->text, strerror(errno),
		    errno == ENOENT ? ": its directory does not exist" : "");
	l->maker = getpid();
	if (lstat(path, &st) == 0) {
		l->file.ino = st.st_ino;
		l->file.dev = st.st_dev;
	}
	if (listener_give(l, path, opts, err) == -1)
		return -1;
	listener_check_doors(l->text, path, opts);
	return 0;
}

static int
listener_bind(struct listener *l, const struct addr *a,
    const struct listener_opts *opts, struct err *err)
{
	int one = 1;

	l->fd = heir_take(a, &l->file, &l->shared);
	if (l->fd != -1) {
		l->maker = l->shared ? 0 : getpid();
		return 0;
	}
	l->fd = socket(a->sock.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd == -1)
		return err_set(err, "%s: socket: %s", l->text, strerror(errno));
	if (a->kind == ADDR_UNIX)
		return listener_bind_path(l, a, opts, err);
	if (a->kind == ADDR_INET)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->fd, &a->sock.sa, a->len) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return err_set(err, "%s is in use: another process listens "
		    "there", l->text);
	return err_set(err, "%s: %s", l->text, strerror(errno));
}

static bool
listener_is_activated(int fd)
{
	size_t i;

	for (i = 0; i < sdaemon_count(); i++)
		if (sdaemon_fd(i) == fd)
			return true;
	return false;
}

/* A descriptor of another's: what is it? */
static int
listener_adopt(struct listener *l, int fd, struct err *err)
{
	int type = 0, flags;
	socklen_t n = sizeof(type);

	l->inherited = true;
	l->activated = listener_is_activated(fd);
	l->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == -1)
		return err_set(err, "%s: descriptor %d is not %s", l->text, fd,
		    errno == EBADF ? "open" : "a socket");
	if (type != SOCK_STREAM)
		return err_set(err, "%s: descriptor %d is not a stream socket",
		    l->text, fd);
	flags = fcntl(fd, F_GETFL);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
		return err_set(err, "%s: %s", l->text, strerror(errno));
	return 0;
}

static int
listener_adopt_name(struct listener *l, const char *name, struct err *err)
{
	size_t i;

	for (i = 0; i < sdaemon_count(); i++)
		if (strcmp(sdaemon_name(i), name) == 0)
			return listener_adopt(l, sdaemon_fd(i), err);
	return err_set(err, "%s: no passed socket has this name "
	    "(LISTEN_FDNAMES)", l->text);
}

/*
 * The flag belongs to the socket and not to the descriptor, so whoever else
 * accepts there sees it too, and it is never taken back.
 */
static int
listener_set_nonblock(const struct listener *l, struct err *err)
{
	int flags = fcntl(l->fd, F_GETFL);

	if (fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_set(err, "%s: %s", l->text, strerror(errno));
	return 0;
}

/* The kernel cuts a longer queue without a word. */
static void
listener_check_backlog(const char *text, int backlog)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
	int max;

	if (f == NULL)
		return;
	if (fscanf(f, "%d", &max) == 1 && backlog > max)
		log_warnx("%s: backlog %d is cut to %d by "
		    "net.core.somaxconn", text, backlog, max);
	fclose(f);
}

static int
listener_listen(struct listener *l, int backlog, struct err *err)
{
	if (listen(l->fd, backlog >= 0 ? backlog : INT32_MAX) == -1)
		return err_set(err, "%s: listen: %s%s", l->text,
		    strerror(errno), errno == EADDRINUSE ?
		    ": another process listens there" : "");
	listener_check_backlog(l->text, backlog);
	return 0;
}

static int
listener_start(struct listener *l, const struct listener_opts *opts,
    struct err *err)
{
	struct addr a;

	if (addr_parse(l->text, &a, err) == -1)
		return err_prefix(err, "bind");
	if (a.kind == ADDR_FD) {
		if (listener_adopt(l, a.fd, err) == -1)
			return -1;
	} else if (a.kind == ADDR_FDNAME) {
		if (listener_adopt_name(l, a.name, err) == -1)
			return -1;
	} else if (listener_bind(l, &a, opts, err) == -1)
		return -1;
	if (listener_listen(l, opts->backlog, err) == -1)
		return -1;
	if (opts->nonblock && listener_set_nonblock(l, err) == -1)
		return -1;
	l->len = sizeof(l->sock);
	if (getsockname(l->fd, &l->sock.sa, &l->len) == -1)
		return err_set(err, "%s: %s", l->text, strerror(errno));
	return listener_allow_all(l, opts->allow, err);
}

struct listener *
listener_open(const char *text, const struct listener_opts *opts,
    struct err *err)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->fd = -1;
	l->text = xstrdup(text);
	if (listener_start(l, opts, err) == 0)
		return l;
	listener_close(l);
	return NULL;
}

/* The path of the socket file we made, if it is still that file. */
static const char *
listener_path(const struct listener *l)
{
	const char *path = l->text + strlen("unix:");
	struct stat st;

	if (l->file.ino == 0 || l->maker != getpid() ||
	    lstat(path, &st) == -1 || st.st_ino != l->file.ino ||
	    st.st_dev != l->file.dev)
		return NULL;
	return path;
}

/* It may be another's file by now, which not every master may change. */
static int
listener_chmod(const char *path, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st) == 0 && (st.st_mode & 07777) == mode)
		return 0;
	return chmod(path, mode);
}

int
listener_update(struct listener *l, const struct listener_opts *opts,
    struct err *err)
{
	const char *path = listener_path(l);

	if (path != NULL && listener_chmod(path, opts->mode) == -1)
		return err_set(err, "%s: %s", l->text, strerror(errno));
	if (path != NULL && listener_give(l, path, opts, err) == -1)
		return -1;
	if (listener_listen(l, opts->backlog, err) == -1)
		return -1;
	if (opts->nonblock && listener_set_nonblock(l, err) == -1)
		return -1;
	l->nallow = 0;
	return listener_allow_all(l, opts->allow, err);
}

void
listener_close(struct listener *l)
{
	const char *path = listener_path(l);

	if (path != NULL)
		unlink(path);
	listener_drop(l);
}

void
listener_leave(struct listener *l)
{
	l->maker = 0;
	l->shared = true;
}

void
listener_own(struct listener *l)
{
	if (!l->shared)
		return;
	l->maker = getpid();
	l->shared = false;
}

void
listener_drop(struct listener *l)
{
	if (l->fd != -1 && !l->inherited)
		close(l->fd);
	free(l->allow);
	free(l->text);
	free(l);
}

unsigned
listener_queued(const struct listener *l)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	if (l->activated)
		return 0;
	/* Of a listening socket this is the length of its accept queue. */
	if (l->sock.sa.sa_family != AF_UNIX && getsockopt(l->fd, IPPROTO_TCP,
	    TCP_INFO, &info, &n) == 0)
		return info.tcpi_unacked;
	return LISTENER_QUEUE;
}

bool
listener_allows(const struct listener *l, const struct sockaddr *sa)
{
	size_t i;

	if (sa->sa_family == AF_UNIX || sa->sa_family == AF_UNSPEC)
		return true;
	for (i = 0; i < l->nallow; i++)
		if (addr_net_has(&l->allow[i], sa))
			return true;
	return false;
}

/* SPDX-License-Identifier: MIT */
/* LISTEN_FDS and NOTIFY_SOCKET. */
#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/sdaemon.h"

#define SDAEMON_FIRST	3	/* SD_LISTEN_FDS_START */
#define SDAEMON_MAX	1024

static struct {
	size_t			 count;
	char			**names;
	int			 notify;	/* datagram socket or -1 */
	struct sockaddr_un	 to;
	socklen_t		 tolen;
} sdaemon = { .notify = -1 };

/* LISTEN_FDNAMES: names separated by colons, in the descriptors' order. */
static void
sdaemon_read_names(const char *text)
{
	size_t i, n;

	sdaemon.names = xcalloc(sdaemon.count, sizeof(*sdaemon.names));
	for (i = 0; i < sdaemon.count; i++) {
		n = strcspn(text, ":");
		sdaemon.names[i] = xstrndup(text, n);
		text += n + (text[n] == ':');
	}
}

static void
sdaemon_read_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	int64_t n;
	size_t i;

	if (pid == NULL || fds == NULL ||
	    str_parse_int(pid, getpid(), getpid(), &n) == -1 ||
	    str_parse_int(fds, 1, SDAEMON_MAX, &n) == -1)
		return;
	sdaemon.count = (size_t)n;
	sdaemon_read_names(names != NULL ? names : "");
	for (i = 0; i < sdaemon.count; i++)
		if (fcntl(sdaemon_fd(i), F_SETFD, FD_CLOEXEC) == -1)
			log_warn("passed descriptor %d", sdaemon_fd(i));
}

static void
sdaemon_read_notify(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(sdaemon.to.sun_path) ||
	    (*path != '/' && *path != '@'))
		return;
	sdaemon.notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sdaemon.notify == -1) {
		log_warn("socket for NOTIFY_SOCKET");
		return;
	}
	sdaemon.to.sun_family = AF_UNIX;
	memcpy(sdaemon.to.sun_path, path, n);
	if (*path == '@')
		sdaemon.to.sun_path[0] = '\0';
	sdaemon.tolen = offsetof(struct sockaddr_un, sun_path) + n;
}

void
sdaemon_init(void)
{
	sdaemon_read_fds();
	sdaemon_read_notify();
}

void
sdaemon_fini(void)
{
	static const char *const ours[] = {
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET",
		"WATCHDOG_PID", "WATCHDOG_USEC"
	};
	size_t i;

	for (i = 0; i < nitems(ours); i++)
		unsetenv(ours[i]);
	if (sdaemon.notify != -1)
		close(sdaemon.notify);
	sdaemon.notify = -1;
}

size_t
sdaemon_count(void)
{
	return sdaemon.count;
}

int
sdaemon_fd(size_t i)
{
	return SDAEMON_FIRST + (int)i;
}

const char *
sdaemon_name(size_t i)
{
	return sdaemon.names[i];
}

/* Room for one descriptor. */
union sdaemon_control {
	struct cmsghdr	head;
	char		room[CMSG_SPACE(sizeof(int))];
};

static void
sdaemon_attach(struct msghdr *m, union sdaemon_control *control, int fd)
{
	*control = (union sdaemon_control){
		.head = { .cmsg_len = CMSG_LEN(sizeof(fd)),
		    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }
	};
	memcpy(CMSG_DATA(&control->head), &fd, sizeof(fd));
	m->msg_control = control;
	m->msg_controllen = sizeof(*control);
}

/* Send a text, and a descriptor if it is not -1. */
static void
sdaemon_send(char *text, int fd)
{
	struct iovec iov = { .iov_base = text, .iov_len = strlen(text) };
	struct msghdr m = {
		.msg_name = &sdaemon.to, .msg_namelen = sdaemon.tolen,
		.msg_iov = &iov, .msg_iovlen = 1
	};
	union sdaemon_control control;

	if (fd != -1)
		sdaemon_attach(&m, &control, fd);
	if (sendmsg(sdaemon.notify, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		log_warn("NOTIFY_SOCKET");
}

void
sdaemon_notify(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (sdaemon.notify == -1)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sdaemon_send(text, -1);
}

void
sdaemon_store(int fd, const char *name)
{
	char text[300];

	if (sdaemon.notify == -1)
		return;
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	sdaemon_send(text, fd);
}

void
sdaemon_unstore(const char *name)
{
	sdaemon_notify("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int64_t
sdaemon_watchdog(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *usec = getenv("WATCHDOG_USEC");
	int64_t n;

	if (sdaemon.notify == -1 || usec == NULL || (pid != NULL &&
	    str_parse_int(pid, getpid(), getpid(), &n) == -1) ||
	    str_parse_int(usec, 1, INT64_MAX, &n) == -1)
		return 0;
	return n;
}

static void
sdaemon_pass_pid(const char *variable)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (getenv(variable) != NULL)
		setenv(variable, pid, 1);
}

void
sdaemon_pass(void)
{
	size_t i;

	for (i = 0; i < sdaemon.count; i++)
		if (fcntl(sdaemon_fd(i), F_SETFD, 0) == -1)
			log_warn("passed descriptor %d", sdaemon_fd(i));
	if (sdaemon.count > 0)
		sdaemon_pass_pid("LISTEN_PID");
	sdaemon_pass_pid("WATCHDOG_PID");
}

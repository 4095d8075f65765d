/* SPDX-License-Identifier: MIT */
/* Where the access log goes. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/logfile.h"
#include "req/access_log.h"

#define LOG_SYSLOG_PREFIX	"syslog:"
#define LOG_SYSLOG_SOCKET	"/dev/log"

enum access_log_kind { LOG_TO_FILE, LOG_TO_SOCKET, LOG_TO_SYSLOG };

struct access_log {
	struct access_format *format;
	enum access_log_kind kind;
	int		 fd;
	char		*path;		/* of a file, else NULL */
	int		 facility;
	uint64_t	 dropped;
};

/* Datagrams, and never a wait for a daemon that does not read. */
static int
access_log_connect(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX,
		.sun_path = LOG_SYSLOG_SOCKET };
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&un,
	    sizeof(un)) == -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
access_log_open_syslog(struct access_log *log, const char *facility,
    struct err *err)
{
	if ((log->facility = log_facility(facility)) == -1)
		return err_setc(err, 2, "access_logfile: syslog has no "
		    "facility %s", facility);
	log->kind = LOG_TO_SYSLOG;
	log->fd = access_log_connect();
	return 0;
}

/*
 * A pipe or terminal we inherited blocks, and its flags are shared with others:
 * a description of our own does not.
 */
static int
access_log_open_stdout(struct access_log *log)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISSOCK(st.st_mode))
		log->kind = LOG_TO_SOCKET;
	else
		fd = open("/proc/self/fd/1",
		    O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	log->fd = fd != -1 ? fd : STDOUT_FILENO;
	return 0;
}

static int
access_log_open_file(struct access_log *log, const char *path, struct err *err)
{
	if ((log->fd = logfile_open(path, (uid_t)-1, (gid_t)-1, err)) == -1)
		return -1;
	log->path = xstrdup(path);
	return 0;
}

static int
access_log_open_any(struct access_log *log, const char *where, struct err *err)
{
	size_t n = strlen(LOG_SYSLOG_PREFIX);

	if (strncmp(where, LOG_SYSLOG_PREFIX, n) == 0)
		return access_log_open_syslog(log, where + n, err);
	if (strcmp(where, "-") == 0)
		return access_log_open_stdout(log);
	return access_log_open_file(log, where, err);
}

struct access_log *
access_log_open(const char *where, struct access_format *format,
    struct err *err)
{
	struct access_log *log = xcalloc(1, sizeof(*log));

	if (access_log_open_any(log, where, err) == -1) {
		free(log);
		return NULL;
	}
	log->format = format;
	return log;
}

void
access_log_reopen(struct access_log *log)
{
	struct err err;
	int fd;

	if (log->path == NULL)
		return;
	fd = logfile_open(log->path, (uid_t)-1, (gid_t)-1, &err);
	if (fd == -1) {
		log_warnx("%s; lines go on into the old file", err.text);
		return;
	}
	close(log->fd);
	log->fd = fd;
}

void
access_log_close(struct access_log *log)
{
	if (log->fd > STDERR_FILENO)
		close(log->fd);
	access_free(log->format);
	free(log->path);
	free(log);
}

/* The daemon may have been started anew: one more try over a new socket. */
static ssize_t
access_log_send_syslog(struct access_log *log, char *line, size_t n)
{
	char head[64];
	struct iovec v[2] = { { head, 0 }, { line, n - 1 } };
	struct msghdr msg = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t sent = -1;

	v[0].iov_len = (size_t)snprintf(head, sizeof(head), "<%d>saola[%d]: ",
	    log->facility | LOG_INFO, (int)getpid());
	if (log->fd != -1)
		sent = sendmsg(log->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent != -1 || (log->fd != -1 && errno == EAGAIN))
		return sent;
	if (log->fd != -1)
		close(log->fd);
	if ((log->fd = access_log_connect()) == -1)
		return -1;
	return sendmsg(log->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t
access_log_send(struct access_log *log, char *line, size_t n)
{
	switch (log->kind) {
	case LOG_TO_SYSLOG:
		return access_log_send_syslog(log, line, n);
	case LOG_TO_SOCKET:
		return send(log->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	default:
		return write(log->fd, line, n);
	}
}

void
access_log_write(struct access_log *log, const struct req *req, int64_t end_ns)
{
	char line[ACCESS_LINE];
	size_t n = access_line(log->format, req, end_ns, line);

	if (access_log_send(log, line, n) == -1)
		log->dropped++;
}

uint64_t
access_log_dropped(const struct access_log *log)
{
	return log->dropped;
}

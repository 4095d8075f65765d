/* SPDX-License-Identifier: MIT */
/* Where the error log goes, and how its file is opened again. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/logfile.h"
#include "os/priv.h"

#define LOGFILE_SYSLOG	"syslog:"

static struct {
	char	*where;		/* NULL: stderr, nothing was set yet */
	char	*ident;
	int	 fd;		/* -1: syslog */
	uid_t	 uid;
	gid_t	 gid;
} logfile = { .fd = STDERR_FILENO };

static bool
logfile_is_syslog(const char *where)
{
	return strncmp(where, LOGFILE_SYSLOG, strlen(LOGFILE_SYSLOG)) == 0;
}

/*
 * Root can open it again whoever has it. A master that has capabilities instead
 * could not, so it keeps the file and lets the other's group write it.
 */
static int
logfile_give(int fd, uid_t uid, gid_t gid)
{
	if (geteuid() == 0)
		return fchown(fd, uid, gid);
	if (!priv_can_give() || gid == (gid_t)-1)
		return 0;
	return fchown(fd, -1, gid) == -1 ? -1 : fchmod(fd, 0660);
}

int
logfile_open(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY |
	    O_NONBLOCK | O_NOFOLLOW, 0640);
	if (fd == -1)
		return err_set(err, "log %s: %s", path, errno == ELOOP ?
		    "it is a symbolic link" : strerror(errno));
	if (logfile_give(fd, uid, gid) == -1)
		log_warn("log %s: owner", path);
	return fd;
}

static int
logfile_open_any(const char *where, const char *ident, enum log_level level,
    uid_t uid, gid_t gid, struct err *err)
{
	int fd = STDERR_FILENO;

	if (logfile_is_syslog(where)) {
		log_set_level(level);
		if (log_to_syslog(where + strlen(LOGFILE_SYSLOG), ident,
		    err) == -1)
			return -1;
		logfile.fd = -1;
		return 0;
	}
	if (strcmp(where, "-") != 0)
		fd = logfile_open(where, uid, gid, err);
	if (fd == -1)
		return -1;
	log_to(fd, level);
	logfile.fd = fd;
	return 0;
}

/* A process may change its directory before it opens the file again. */
static char *
logfile_absolute(const char *where)
{
	char *cwd, *path;

	if (*where == '/' || strcmp(where, "-") == 0 ||
	    logfile_is_syslog(where) || (cwd = getcwd(NULL, 0)) == NULL)
		return xstrdup(where);
	xasprintf(&path, "%s/%s", cwd, where);
	free(cwd);
	return path;
}

int
logfile_set_error(const char *where, const char *ident, enum log_level level,
    uid_t uid, gid_t gid, struct err *err)
{
	char *path = logfile_absolute(where);
	int old = logfile.fd;

	if (logfile.where != NULL && strcmp(path, logfile.where) == 0) {
		log_set_level(level);
		free(path);
		return 0;
	}
	if (logfile_open_any(path, ident, level, uid, gid, err) == -1) {
		free(path);
		return -1;
	}
	if (old > STDERR_FILENO)
		close(old);
	free(logfile.where);
	free(logfile.ident);
	logfile.where = path;
	logfile.ident = xstrdup(ident);
	logfile.uid = uid;
	logfile.gid = gid;
	return 0;
}

/*
 * dup3 puts the new file under the old number at once, so any thread may do
 * this while others log.
 */
void
logfile_reopen_error(void)
{
	struct err err;
	int fd;

	if (logfile.fd <= STDERR_FILENO)
		return;
	fd = logfile_open(logfile.where, logfile.uid, logfile.gid, &err);
	if (fd == -1) {
		log_warnx("%s; lines go on into the old file", err.text);
		return;
	}
	dup3(fd, logfile.fd, O_CLOEXEC);
	close(fd);
}

int
logfile_error_fd(void)
{
	return logfile.fd;
}

void
logfile_pause(void)
{
	if (logfile.fd == -1)
		closelog();
}

void
logfile_resume(void)
{
	struct err err;

	if (logfile.fd == -1 && log_to_syslog(logfile.where +
	    strlen(LOGFILE_SYSLOG), logfile.ident, &err) == -1)
		log_warnx("%s", err.text);
}

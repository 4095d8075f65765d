/* SPDX-License-Identifier: MIT */
/* Write, check and remove a pid file. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "os/pidfile.h"

/* The id in the file, 0 if there is none. */
static pid_t
pidfile_read(const char *path)
{
	char text[32] = "";
	int64_t pid;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (str_parse_int(text, 1, INT32_MAX, &pid) == -1)
		return 0;
	return (pid_t)pid;
}

static int
pidfile_fill(const char *path)
{
	int fd, rc;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0644);
	if (fd == -1)
		return -1;
	rc = dprintf(fd, "%d\n", getpid()) < 0 ? -1 : 0;
	return close(fd) == -1 ? -1 : rc;
}

int
pidfile_write(const char *path, struct err *err)
{
	char *fresh;
	pid_t pid = pidfile_read(path);
	int rc = 0;

	if (pid != 0 && pid != getpid() &&
	    (kill(pid, 0) == 0 || errno == EPERM))
		return err_set(err, "pid file %s: process %d is alive; stop it "
		    "first, or use another file", path, pid);
	xasprintf(&fresh, "%s.%d", path, getpid());
	if (pidfile_fill(fresh) == -1 || rename(fresh, path) == -1) {
		rc = err_set(err, "pid file %s: %s", path, strerror(errno));
		unlink(fresh);
	}
	free(fresh);
	return rc;
}

void
pidfile_remove(const char *path)
{
	if (pidfile_read(path) == getpid())
		unlink(path);
}

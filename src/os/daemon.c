/* SPDX-License-Identifier: MIT */
/* Into the background. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "os/daemon.h"

static int daemon_pipe = -1;

static void NORETURN
daemon_wait(int fd, pid_t pid)
{
	char byte;
	int status;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			_exit(255);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

int
daemon_start(struct err *err)
{
	int fds[2], null;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1)
		return err_set(err, "daemon: pipe: %s", strerror(errno));
	pid = fork();
	if (pid == -1)
		return err_set(err, "daemon: fork: %s", strerror(errno));
	if (pid != 0) {
		close(fds[1]);
		daemon_wait(fds[0], pid);
	}
	close(fds[0]);
	daemon_pipe = fds[1];
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null != -1) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	return 0;
}

void
daemon_ready(void)
{
	if (daemon_pipe == -1)
		return;
	if (write(daemon_pipe, "", 1) == -1)
		errno = 0;	/* the parent was killed */
	close(daemon_pipe);
	daemon_pipe = -1;
}

/* SPDX-License-Identifier: MIT */
/* /proc/PID/stat. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/proc.h"

/* "812 (name) T ...", where the name may contain anything. */
bool
proc_is_stopped(pid_t pid)
{
	char path[40], text[256], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return state != NULL && state[1] == ' ' && state[2] != '\0' &&
	    strchr("TtZX", state[2]) != NULL;
}

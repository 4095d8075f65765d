/* SPDX-License-Identifier: MIT */
/* Standard descriptors, and closing what a child has no use for. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/fds.h"

void
fds_sane(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

void
fds_mute(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		return;
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static int
fds_compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
fds_keep(int *fds, size_t n)
{
	unsigned from = STDERR_FILENO + 1, fd;
	size_t i;

	if (n > 1)
		qsort(fds, n, sizeof(*fds), fds_compare);
	for (i = 0; i < n; i++) {
		if (fds[i] < (int)from)
			continue;
		fd = (unsigned)fds[i];
		if (fd > from)
			close_range(from, fd - 1, 0);
		from = fd + 1;
	}
	close_range(from, UINT_MAX, 0);
}

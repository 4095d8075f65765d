/* SPDX-License-Identifier: MIT */
/* Control group, version 2. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "os/cgroup.h"

int64_t
cgroup_oom_kills(const char *root)
{
	char path[PATH_MAX], line[PATH_MAX] = "";
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%.200s/proc/self/cgroup", root);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	if (fgets(line, sizeof(line), f) == NULL ||
	    strncmp(line, "0::/", 4) != 0)
		*line = '\0';
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "%.200s/sys/fs/cgroup%.3000s/"
	    "memory.events", root, *line != '\0' ? line + 3 : "");
	if (*line == '\0' || (f = fopen(path, "re")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "oom_kill %lld", &n) == 1)
			break;
	fclose(f);
	return n;
}

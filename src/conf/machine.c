/* SPDX-License-Identifier: MIT */
/* CPUs and memory, by affinity and cgroup (v2). */
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/machine.h"

/*
 * What one worker is assumed to take. A worker with Django loaded and nothing
 * shared takes about 40 MiB; it is meant to keep small machines from swapping,
 * not to fill large ones.
 */
#define MACHINE_WORKER	((int64_t)64 * 1024 * 1024)

/* The first line of a file below root; false if there is none. */
static bool
machine_line(const char *root, const char *path, char *line, int size)
{
	char full[PATH_MAX];
	bool ok;
	FILE *f;

	if (snprintf(full, sizeof(full), "%s%s", root, path) >=
	    (int)sizeof(full) || (f = fopen(full, "re")) == NULL)
		return false;
	ok = fgets(line, size, f) != NULL;
	fclose(f);
	return ok;
}

/* "150000 100000": 1.5 CPUs, which keep 2 busy; "max ..." is no limit. */
static int
machine_quota(const char *root, const char *dir)
{
	char path[PATH_MAX], line[64];
	long long quota, period;

	snprintf(path, sizeof(path), "%.3900s/cpu.max", dir);
	if (!machine_line(root, path, line, sizeof(line)) ||
	    sscanf(line, "%lld %lld", &quota, &period) != 2 ||
	    quota <= 0 || period <= 0 || quota / period >= INT_MAX)
		return INT_MAX;
	return (int)((quota + period - 1) / period);
}

static int64_t
machine_memory_limit(const char *root, const char *dir)
{
	char path[PATH_MAX], line[64];
	long long limit;

	snprintf(path, sizeof(path), "%.3900s/memory.max", dir);
	if (!machine_line(root, path, line, sizeof(line)) ||
	    sscanf(line, "%lld", &limit) != 1 || limit <= 0)
		return INT64_MAX;
	return limit;
}

/* Our cgroup and all above it: each may set a limit. */
static void
machine_apply_cgroups(const char *root, struct machine *m)
{
	char line[PATH_MAX], dir[PATH_MAX], *slash;
	int64_t memory;
	int cpus;

	if (!machine_line(root, "/proc/self/cgroup", line, sizeof(line)) ||
	    strncmp(line, "0::/", 4) != 0)
		return;
	line[strcspn(line, "\n")] = '\0';
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup%.3800s", line + 3);
	do {
		if ((cpus = machine_quota(root, dir)) < m->cpus)
			m->cpus = cpus;
		memory = machine_memory_limit(root, dir);
		if (memory != INT64_MAX &&
		    (m->memory == 0 || memory < m->memory))
			m->memory = memory;
		slash = strrchr(dir, '/');
		*slash = '\0';
	} while (strlen(dir) >= strlen("/sys/fs/cgroup"));
}

static int
machine_affinity(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set);
	/* More CPUs than the set has room for. */
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 && n < INT_MAX ? (int)n : 1;
}

void
machine_read(const char *root, struct machine *m)
{
	char line[128];
	long long kib;

	m->cpus = machine_affinity();
	m->memory = 0;
	if (machine_line(root, "/proc/meminfo", line, sizeof(line)) &&
	    sscanf(line, "MemTotal: %lld kB", &kib) == 1 && kib > 0)
		m->memory = kib * 1024;
	machine_apply_cgroups(root, m);
}

int
machine_workers(const struct machine *m, bool single, char *why, size_t size)
{
	int64_t fit = m->memory / MACHINE_WORKER;
	int cpus = m->cpus < INT_MAX / 4 ? m->cpus : INT_MAX / 4;
	int n = single ? 2 * cpus + 1 : cpus;

	if (m->memory == 0 || fit >= n) {
		snprintf(why, size, "%s%d CPU%s%s", single ? "2 × " : "",
		    m->cpus, m->cpus == 1 ? "" : "s", single ? " + 1" : "");
		return n;
	}
	if (fit < 1)
		fit = 1;
	snprintf(why, size, "%lld MiB of memory, 64 MiB each",
	    (long long)(m->memory / (1024 * 1024)));
	return (int)fit;
}

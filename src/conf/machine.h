/* SPDX-License-Identifier: MIT */
/* What this machine, or the container around us, has to give. */
#ifndef CONF_MACHINE_H
#define CONF_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine {
	int	cpus;		/* that we may use, at least 1 */
	int64_t	memory;		/* bytes that we may use, 0 unknown */
};

/*
 * CPUs from the affinity mask and the cgroups' cpu.max, memory from MemTotal
 * and the cgroups' memory.max. root is put in front of /proc and /sys ("").
 */
void	machine_read(const char *root, struct machine *);
/*
 * Workers for it, by what one is: a worker that waits with its request leaves
 * its CPU to others, one with several requests at once does not. why says how
 * they come about.
 */
int	machine_workers(const struct machine *, bool single, char *why,
	    size_t size);

#endif

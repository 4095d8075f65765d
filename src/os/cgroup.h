/* SPDX-License-Identifier: MIT */
/* What the control group of this process says (version 2). */
#ifndef OS_CGROUP_H
#define OS_CGROUP_H

#include <stdint.h>

/*
 * How many processes of our group the kernel has killed for lack of memory,
 * -1 if it does not say. root is put before the paths: "" but in tests.
 */
int64_t	cgroup_oom_kills(const char *root);

#endif

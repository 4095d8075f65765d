/* SPDX-License-Identifier: MIT */
/* What the kernel says of a process. */
#ifndef OS_PROC_H
#define OS_PROC_H

#include <sys/types.h>

#include <stdbool.h>

/* By SIGSTOP, a debugger, or because it is over; false where it is unknown. */
bool	proc_is_stopped(pid_t);

#endif

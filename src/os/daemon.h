/* SPDX-License-Identifier: MIT */
/* Running in the background, with a parent that waits for the outcome. */
#ifndef OS_DAEMON_H
#define OS_DAEMON_H

#include "base/err.h"

/*
 * Fork; the child returns in a session of its own, with stdin at /dev/null.
 * The parent stays until daemon_ready or the child's end, and exits with 0 or
 * the child's exit code (255 if a signal ended it). The child goes on to use
 * the terminal until then.
 */
int	daemon_start(struct err *) MUSTCHECK;
/* Let the parent go. Nothing happens if there is none. */
void	daemon_ready(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A pair of SOCK_SEQPACKET sockets between the master and the processes of one
 * template. Who sent a message is what the kernel says, not what it says.
 */
#ifndef OS_CHANNEL_H
#define OS_CHANNEL_H

#include <sys/types.h>

#include <stddef.h>

#include "base/attr.h"

/* near is told who sends; both are CLOEXEC. -1 and errno. */
int	channel_open(int *near, int *far) MUSTCHECK;
/* Send one message, whole or not at all, without waiting. -1 and errno. */
int	channel_send(int fd, const void *, size_t) MUSTCHECK;
/* The same, waiting for room. */
int	channel_post(int fd, const void *, size_t) MUSTCHECK;
/*
 * Take one message of exactly this size into buf without waiting. 1: there it
 * is, from *sender; 0: it was something else and is gone; -1: there is none.
 * Descriptors that come with it are closed by the kernel.
 */
int	channel_take(int fd, void *buf, size_t, pid_t *sender) MUSTCHECK;

#endif

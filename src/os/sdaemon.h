/* SPDX-License-Identifier: MIT */
/*
 * The systemd daemon protocols: passed sockets and notification. A few lines
 * each, documented as stable in sd_listen_fds(3) and sd_notify(3).
 */
#ifndef OS_SDAEMON_H
#define OS_SDAEMON_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/*
 * Read LISTEN_* and NOTIFY_SOCKET, before any fork (they name this process) and
 * once. The passed descriptors become CLOEXEC.
 */
void	sdaemon_init(void);
/*
 * In children, who must not speak for the master: forget the supervisor, in the
 * environment too.
 */
void	sdaemon_fini(void);

/* How many sockets were passed. */
size_t	sdaemon_count(void);
/* The descriptor of the i-th, and its name ("" if it has none). */
int	sdaemon_fd(size_t i);
const char *sdaemon_name(size_t i);

/* How often systemd wants to hear WATCHDOG=1, in microseconds; 0: never. */
int64_t	sdaemon_watchdog(void);
/*
 * In a child that is about to become another program in our place: let it have
 * the passed sockets, and the environment that says so.
 */
void	sdaemon_pass(void);

/*
 * Send assignments, one a line: "READY=1\nSTATUS=fine". Nothing happens where
 * nobody listens. Never blocks.
 */
void	sdaemon_notify(const char *, ...) PRINTFLIKE(1, 2);
/*
 * Keep a descriptor for whoever is started after our death, by this name; and
 * give it back. Names have no colon and no control character.
 */
void	sdaemon_store(int fd, const char *name);
void	sdaemon_unstore(const char *name);

#endif

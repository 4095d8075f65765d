/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that were left to this process: by the master that started
 * it in its own place (SAOLA_LISTENERS), or in systemd's store by one that
 * died. A bind that means the same address takes its socket from here, so that
 * what waits in its queue is served.
 */
#ifndef OS_HEIR_H
#define OS_HEIR_H

#include <sys/types.h>

#include <stdbool.h>

#include "base/buf.h"
#include "os/addr.h"

/* What of a socket outlives its process: the file that a path must still be. */
struct heir_file {
	ino_t	ino;		/* 0: not a path */
	dev_t	dev;
};

#define HEIR_ENV	"SAOLA_LISTENERS"
#define HEIR_NAME	64

/* Find what there is, after sdaemon_init; the variable is unset. */
void	heir_init(void);
/*
 * The socket of this address, -1 if none was left. A path's must be bound to
 * the file that is there now. shared: who left it is alive, and has it too.
 */
int	heir_take(const struct addr *, struct heir_file *, bool *shared);
/* Close what nobody took. */
void	heir_fini(void);

/* Add "FD:INO:DEV," to the variable's value. */
int	heir_add(struct buf *, int fd, const struct heir_file *) MUSTCHECK;
/* The name in systemd's store, unique while the socket is open. */
void	heir_name(char *out, size_t, int fd, const struct heir_file *);
bool	heir_is_name(const char *);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets. The master opens them (or takes them from systemd or a
 * descriptor) and owns them; templates and workers inherit them over fork.
 * Only paths we made are unlinked, and only by the process that made them.
 */
#ifndef OS_LISTENER_H
#define OS_LISTENER_H

#include <sys/types.h>

#include <stdbool.h>

#include "base/err.h"
#include "os/addr.h"
#include "os/heir.h"

struct listener {
	int		 fd;		/* CLOEXEC; blocks, unless asked */
	char		*text;		/* as configured */
	union addr_sock	 sock;		/* what getsockname says */
	socklen_t	 len;
	bool		 inherited;	/* never closed or unlinked by us */
	bool		 activated;	/* by systemd, which keeps its queue */
	bool		 shared;	/* it is another master's too */
	pid_t		 maker;		/* who may unlink it */
	struct heir_file file;		/* UNIX: the file we made */
	struct addr_net	*allow;		/* peers accepted over TCP */
	size_t		 nallow;
};

/* How a UNIX socket's file is made. */
struct listener_opts {
	int		 backlog;	/* -1: the kernel's maximum */
	mode_t		 mode;
	uid_t		 owner;		/* -1: unchanged */
	gid_t		 group;		/* -1: unchanged */
	const struct strlist *allow;	/* allow_from; empty: loopback */
	bool		 nonblock;	/* accept must not block; for good */
};

/*
 * Open one. A stale UNIX socket is replaced, a live one refused; the parent
 * directories are checked for one the proxy could not enter (warned). NULL
 * with a sentence that names address and fix.
 */
struct listener *listener_open(const char *text, const struct listener_opts *,
    struct err *) MUSTCHECK;
/*
 * Give a socket that stays open other options: mode and owner of the file we
 * made, backlog, allowed peers (for children forked from now on).
 */
int	listener_update(struct listener *, const struct listener_opts *,
	    struct err *) MUSTCHECK;
/* Close, unlink what we made, free. */
void	listener_close(struct listener *);
/*
 * Leave it to the master that comes after us, who has it too: from now on its
 * file stays when it is closed here. A socket that was left to us is so from
 * the start, until it is taken for our own.
 */
void	listener_leave(struct listener *);
void	listener_own(struct listener *);
/* Close and free in a child: the file stays. */
void	listener_drop(struct listener *);

/*
 * How many connections somebody who stops must still accept: those that wait
 * now, and not those that come while they are served. 0 for an activated socket
 * (they wait for the next instance); no more than a bound where the kernel does
 * not say.
 */
unsigned listener_queued(const struct listener *);
/* Whether this TCP peer may speak; true for UNIX sockets. */
bool	listener_allows(const struct listener *, const struct sockaddr *);

#endif

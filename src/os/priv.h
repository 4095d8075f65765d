/* SPDX-License-Identifier: MIT */
/* Users and groups, and becoming one. */
#ifndef OS_PRIV_H
#define OS_PRIV_H

#include <sys/types.h>

#include <stdbool.h>

#include "base/err.h"

/* -1 in a field: nothing was asked for, the process stays as it is. */
struct priv {
	uid_t	 uid;
	gid_t	 gid;
	char	 user[64];	/* login name, "" if the number has none */
	char	 home[256];
};

/*
 * Look up user and group, each a name, a number, NULL or "". Without a group
 * it is the user's own. -1 with a sentence for names nobody has.
 */
int	priv_find(const char *user, const char *group, struct priv *,
	    struct err *) MUSTCHECK;
/*
 * Become it: group, supplementary groups, user, and no way back to more.
 * HOME, USER and LOGNAME follow. If it is what we are nothing happens, but that
 * capabilities which somebody other than root was started with end here.
 */
int	priv_become(const struct priv *, struct err *) MUSTCHECK;
/* Whether files can be given away: by root, or with CAP_CHOWN. */
bool	priv_can_give(void);

#endif

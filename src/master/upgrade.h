/* SPDX-License-Identifier: MIT */
/*
 * Another binary in our place. The old master starts it with the listening
 * sockets, and both accept. When all of the new one's applications serve it
 * says so over a socket pair, and the old one yields to it; if it fails or
 * ends, the old one, which has changed nothing so far, goes on.
 *
 *	old ── exec, SAOLA_LISTENERS, SAOLA_UPGRADE=FD ──▶ new
 *	old ◀── "ready" or "failed SENTENCE" or the end ── new
 *	old ── "yours" or "stop" ───────────────────────▶ new
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include "master/master.h"

#define UPGRADE_ENV	"SAOLA_UPGRADE"
#define UPGRADE_TEXT	2048		/* longest message */

/* upgrade.c: the old master. */
void	upgrade_start(struct master *);		/* USR2 */
bool	upgrade_runs(const struct master *);
/* We stop: so must the new one. */
void	upgrade_cancel(struct master *);

/* heritage.c: the new master. Before anything is opened: are we one? */
void	heritage_init(struct master *);
/* Its name until the old master has left: NAME.2 */
void	heritage_rename(struct master *);
/* The event base exists: listen to the old one. */
void	heritage_start(struct master *);
/* The start failed; it could not even begin. */
void	heritage_fail(struct master *, const char *why);
void	heritage_refuse(const char *why);
void	heritage_fini(struct master *);
/* One more application is complete, or cannot boot. */
void	heritage_on_ready(struct master *);
void	heritage_on_failure(struct gen *, const char *who, const char *why);

#endif

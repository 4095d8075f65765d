/* SPDX-License-Identifier: MIT */
/*
 * The control socket. A peer sends one line, a command and its words divided by
 * blanks, and is answered by one line, a JSON object, in which "ok" says how it
 * went and "error" why not; then the connection is closed. To stop is answered
 * at once, and the connection is closed by the end of the master.
 *
 *	status				the instance and its applications
 *	workers				its processes
 *	reload [APP]			answered when it is over
 *	scale APP N			until the next reload
 *	upgrade				answered when the new binary serves
 *	stop [fast]
 *
 * Who may speak is root or our own user, as the kernel says. Nobody is waited
 * for, and there is a limit to what is kept of each and to how many there are.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include "base/json.h"
#include "master/master.h"

struct control_peer;

/* Listen, or say why not: never a reason not to start. */
void	control_start(struct master *);
void	control_stop(struct master *);
/* Another master listens there now; answers that are owed are still given. */
void	control_leave(struct master *);
/* Its listener, for the binary that comes after us; NULL if there is none. */
struct listener *control_listener(const struct master *);
/* Reload number n is over; failure is "" or sentences. */
void	control_on_reload(struct master *, unsigned n, const char *failure);
/* The new binary (0: none) serves, or why not. */
void	control_on_upgrade(struct master *, pid_t, const char *failure);

/* What a peer waits for. */
enum control_wait { WAIT_NO, WAIT_RELOAD, WAIT_UPGRADE, WAIT_END };

/*
 * command.c: carry a request out. The answer is in out, unless *wait says that
 * it comes later.
 */
void	command_run(struct master *, char *line, struct json_out *out,
	    enum control_wait *wait);
/* It went well; pid: the process that does it now, 0 if that is no matter. */
void	command_ok(struct json_out *, pid_t pid);
void	command_fail(struct json_out *, const char *, ...) PRINTFLIKE(2, 3);

#endif

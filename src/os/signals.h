/* SPDX-License-Identifier: MIT */
/*
 * Signals of processes that have no event loop: what each does is a table. The
 * master blocks all of them over a fork, so that none is handled in a child by
 * the master's handlers; the child resets and unblocks.
 */
#ifndef OS_SIGNALS_H
#define OS_SIGNALS_H

#include <signal.h>
#include <stddef.h>

struct signal_action {
	int	 signo;
	void	(*handler)(int);
	int	 flags;		/* SA_RESTART or 0 */
};

/* "SIGTERM", "SIGRTMIN+2"; static memory. */
const char *signals_name(int);
/* Block every signal; the mask before it in *was. */
void	signals_block(sigset_t *was);
void	signals_unblock(const sigset_t *was);
void	signals_unblock_all(void);
void	signals_install(const struct signal_action *, size_t n);
/*
 * In a child that was forked with all signals blocked: defaults, but for the
 * table's; then none is blocked. SIGPIPE is ignored: a peer that left is an
 * error code here.
 */
void	signals_start(const struct signal_action *, size_t n);
/* Handler that does nothing: the signal only interrupts, or is not noticed. */
void	signals_nothing(int);

#endif

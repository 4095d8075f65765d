/* SPDX-License-Identifier: MIT */
/*
 * A template: one per application and generation. It drops privileges, with
 * preload starts Python and imports the application, forks workers on order,
 * and runs nothing else.
 */
#ifndef WORKER_TEMPLATE_H
#define WORKER_TEMPLATE_H

#include "worker/worker.h"

struct template {
	const struct conf_app	*app;
	struct listener		*const *listeners;
	size_t			 nlisteners;
	struct board		*board;
	unsigned		 generation;
	int			 channel;	/* to the master, SEQPACKET */
	bool			 detach;	/* workers leave the terminal */
	struct py_setup		 setup;
};

/*
 * The whole life of a template, right after the master's fork and after the
 * master's own descriptors are closed. Leaves when the channel ends.
 */
void	template_run(struct template *) NORETURN;
/*
 * For --check-config, in a throw-away child: do all of it up to the loaded
 * application. Exits 0, or 1 with a sentence in the log.
 */
void	template_check(struct template *) NORETURN;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * WATCHDOG=1 to systemd, if it asked for it: while the master's loop turns, and
 * each application that has ready workers has one that is alive. A worker is
 * not if its process is stopped, or if its request should have been ended long
 * ago and that could not be done.
 */
#ifndef MASTER_PULSE_H
#define MASTER_PULSE_H

#include "master/master.h"

void	pulse_start(struct master *);
void	pulse_stop(struct master *);

#endif

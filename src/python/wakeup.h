/* SPDX-License-Identifier: MIT */
/*
 * Python's signal wake-up descriptor, for waits that hide EINTR: the numbers
 * of signals with a Python handler are written to it. An application may set
 * one as well (asyncio's add_signal_handler does); neither is to notice.
 *
 * signal.set_wakeup_fd becomes a function of ours, because the C function
 * behind it is not exported, and it makes two system calls to check a
 * descriptor, far too many for every turn of a loop. With none set by the
 * application, ours stays set from the first wait on and costs nothing.
 *
 * All but init: only in the main thread.
 */
#ifndef PYTHON_WAKEUP_H
#define PYTHON_WAKEUP_H

#include "python/py.h"

/* Once. -1 with an exception set. */
int	wakeup_init(void) MUSTCHECK;

/*
 * Before a wait: signals go to fd, which does not block. -1 with an exception
 * set. After it: they go to the application's again, if it has one.
 */
int	wakeup_take(int fd) MUSTCHECK;
void	wakeup_give(void);
/* fd is about to be closed. */
void	wakeup_drop(int fd);

/* Hand numbers that came through ours to the application's, if it has one. */
void	wakeup_pass(const uint8_t *numbers, size_t n);

#endif

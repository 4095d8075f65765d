/* SPDX-License-Identifier: MIT */
/* libevent's bases, made one way, and its messages in our log. */
#ifndef EVENT_EVBASE_H
#define EVENT_EVBASE_H

#include <stdbool.h>

struct event_base;

/*
 * A base for one thread, made after the last fork: no locks, and a coarse
 * clock (its timers may be 4 ms late; precise ones are a system call for each
 * turn). The caller frees it with event_base_free. NULL on failure.
 */
struct event_base *evbase_new(void);

/*
 * Whether libevent's warnings of this thread are dropped: around calls whose
 * failure is reported to the caller, who may take it for an answer.
 */
void	evbase_set_quiet(bool);

#endif

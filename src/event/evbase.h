/* SPDX-License-Identifier: MIT */
/* libevent's bases, made one way, and its messages in our log. */
#ifndef EVENT_EVBASE_H
#define EVENT_EVBASE_H

#include <stdbool.h>

struct event_base;

/*
 * A base for one thread, after the last fork: timers to the microsecond, no
 * locks. The caller frees it with event_base_free. NULL and errno on failure.
 */
struct event_base *evbase_new(void);

/*
 * Whether libevent's warnings of this thread are dropped: around calls whose
 * failure is reported to the caller, who may take it for an answer.
 */
void	evbase_set_quiet(bool);

#endif

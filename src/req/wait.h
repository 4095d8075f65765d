/* SPDX-License-Identifier: MIT */
/* How long a request has waited before anybody looked at it. */
#ifndef REQ_WAIT_H
#define REQ_WAIT_H

#include <stdint.h>

#include "req/params.h"

/*
 * Nanoseconds from the time a proxy has put on the request until wall_ns, the
 * same clock: REQUEST_START, else X-Request-Start, "t=" or not, in seconds,
 * milli-, micro- or nanoseconds. -1 where neither is there, is a number, or can
 * be believed: a time to come counts as now, one of long ago is a wrong clock.
 */
int64_t	wait_ns(const struct params *, int64_t wall_ns);

#endif

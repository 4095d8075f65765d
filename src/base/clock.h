/* SPDX-License-Identifier: MIT */
/* Time. Deadlines use the monotonic clock; only log lines use the wall. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, through the vDSO: no system call. */
static inline int64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* That clock in so many ns from now, for what waits until a point in time. */
static inline struct timespec
clock_in(int64_t ns)
{
	int64_t then = clock_ns() + ns;

	return (struct timespec){ .tv_sec = then / 1000000000,
	    .tv_nsec = then % 1000000000 };
}

/* The wall clock: to compare with what others have read from theirs. */
static inline int64_t
clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t
clock_ms(void)
{
	return clock_ns() / 1000000;
}

#endif

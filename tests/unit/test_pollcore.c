/* SPDX-License-Identifier: MIT */
/* The poll core: batches, the ready queue, timers, waking, forgotten files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/pollcore.h"

#define MS	INT64_C(1000000)

/* A core and a pipe. */
struct fixture {
	struct pollcore	*core;
	int		 fds[2];
	unsigned	 calls, what;
	struct pollev	*ev;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->core = pollcore_new();
	assert_non_null(f->core);
	assert_int_equal(pipe(f->fds), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	pollcore_free(f->core);
	close(f->fds[0]);
	close(f->fds[1]);
	free(f);
	return 0;
}

static void
fill(struct fixture *f)
{
	assert_int_equal(write(f->fds[1], "x", 1), 1);
}

static void
ready_queue_is_level_triggered(void **state)
{
	struct fixture *f = *state;
	struct pollev *ev;
	unsigned what, i;

	ev = pollev_fd(f->core, f->fds[0], POLLEV_READ, NULL, f);
	assert_non_null(ev);
	assert_int_equal(pollcore_wait(f->core, 0), 0);
	assert_null(pollcore_next(f->core, &what));
	fill(f);
	for (i = 0; i < 3; i++) {
		assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
		assert_int_equal(pollcore_nready(f->core), 1);
		assert_ptr_equal(pollcore_next(f->core, &what), f);
		assert_int_equal(what, POLLEV_READ);
		assert_null(pollcore_next(f->core, &what));
	}
	pollev_free(ev);
	assert_int_equal(pollcore_wait(f->core, 0), 0);
}

static void
what_is_not_taken_is_kept(void **state)
{
	struct fixture *f = *state;
	struct pollev *ev;
	unsigned what;

	ev = pollev_fd(f->core, f->fds[0], POLLEV_READ, NULL, f);
	assert_non_null(ev);
	fill(f);
	assert_int_equal(pollcore_wait(f->core, 0), POLLCORE_ROUSED);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(pollcore_nready(f->core), 1);
	/* It no longer waits for that: nothing is ready. */
	assert_int_equal(pollev_set(ev, 0), 0);
	assert_int_equal(pollcore_nready(f->core), 0);
	assert_null(pollcore_next(f->core, &what));
	assert_int_equal(pollcore_wait(f->core, 0), 0);
}

static void
one_descriptor_both_ways(void **state)
{
	struct fixture *f = *state;
	struct pollev *ev;
	unsigned what;

	ev = pollev_fd(f->core, f->fds[1], POLLEV_WRITE, NULL, f);
	assert_non_null(ev);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_ptr_equal(pollcore_next(f->core, &what), f);
	assert_int_equal(what, POLLEV_WRITE);
	/* A reader that has gone is an error: both, once both are wanted. */
	close(f->fds[0]);
	assert_int_equal(pollev_set(ev, POLLEV_READ | POLLEV_WRITE), 0);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(pollcore_nready(f->core), 1);
	assert_ptr_equal(pollcore_next(f->core, &what), f);
	assert_int_equal(what, POLLEV_READ | POLLEV_WRITE);
	pollev_free(ev);
	f->fds[0] = dup(f->fds[1]);
}

static void
on_event(void *arg, unsigned what)
{
	struct fixture *f = arg;
	char c;

	f->calls++;
	f->what |= what;
	if (what == POLLEV_READ)
		assert_int_equal(read(f->fds[0], &c, 1), 1);
	if (f->calls == 2)
		pollcore_rouse(f->core);
	if (what == POLLEV_TIME)
		fill(f);
}

static void
a_handler_rouses_when_it_likes(void **state)
{
	struct fixture *f = *state;
	struct pollev *ev, *timer;

	ev = pollev_fd(f->core, f->fds[0], POLLEV_READ, on_event, f);
	timer = pollev_timer(f->core, on_event, f);
	assert_non_null(ev);
	assert_non_null(timer);
	assert_int_equal(pollev_start(timer, MS), 0);
	/* The timer's call alone does not end the wait. */
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(f->calls, 2);
	assert_int_equal(f->what, POLLEV_READ | POLLEV_TIME);
	assert_int_equal(pollcore_nready(f->core), 0);
}

static void
on_event_free(void *arg, unsigned what UNUSED)
{
	struct fixture *f = arg;

	f->calls++;
	pollev_free(f->ev);
	f->ev = pollev_fd(f->core, f->fds[0], POLLEV_READ, NULL, f);
	assert_non_null(f->ev);
}

static void
a_handler_may_free_itself(void **state)
{
	struct fixture *f = *state;
	unsigned what;

	f->ev = pollev_fd(f->core, f->fds[0], POLLEV_READ, on_event_free, f);
	assert_non_null(f->ev);
	fill(f);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(f->calls, 1);
	assert_ptr_equal(pollcore_next(f->core, &what), f);
}

static void
time_is_not_short(void **state)
{
	struct fixture *f = *state;
	int64_t start = clock_ns();
	struct pollev *timer;
	unsigned what;

	assert_int_equal(pollcore_wait(f->core, 3 * MS + 1), 0);
	assert_true(clock_ns() - start >= 3 * MS + 1);
	timer = pollev_timer(f->core, NULL, f);
	assert_non_null(timer);
	start = clock_ns();
	assert_int_equal(pollev_start(timer, 3600 * 1000 * MS), 0);
	assert_int_equal(pollev_start(timer, 2 * MS), 0);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_true(clock_ns() - start >= 2 * MS);
	assert_ptr_equal(pollcore_next(f->core, &what), f);
	assert_int_equal(what, POLLEV_TIME);
	/* Once. */
	assert_int_equal(pollcore_wait(f->core, 3 * MS), 0);
	assert_int_equal(pollev_start(timer, 0), 0);
	pollev_stop(timer);
	assert_int_equal(pollcore_wait(f->core, MS), 0);
}

static void
timers_come_as_they_are_due(void **state)
{
	struct fixture *f = *state;
	struct pollev *timers[200];
	unsigned what, i, left = 0;
	int numbers[200], *at, last = -1;

	for (i = 0; i < 200; i++) {
		numbers[i] = (int)(i * 37 % 200);
		timers[i] = pollev_timer(f->core, NULL, &numbers[i]);
		assert_non_null(timers[i]);
		assert_int_equal(pollev_start(timers[i], 1000 * MS), 0);
	}
	/* Earlier now, and every third one never. */
	for (i = 0; i < 200; i++)
		assert_int_equal(pollev_start(timers[i], numbers[i] * MS / 10),
		    0);
	for (i = 0; i < 200; i += 3)
		pollev_free(timers[i]);
	while (left < 133) {
		assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
		while ((at = pollcore_next(f->core, &what)) != NULL) {
			assert_int_equal(what, POLLEV_TIME);
			assert_true(*at > last);
			assert_int_not_equal((at - numbers) % 3, 0);
			last = *at;
			left++;
		}
	}
	assert_int_equal(pollcore_wait(f->core, 30 * MS), 0);
}

static void *
wake_from_thread(void *core)
{
	pollcore_wake(core);
	return NULL;
}

static void
another_thread_wakes(void **state)
{
	struct fixture *f = *state;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, wake_from_thread, f->core),
	    0);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(pollcore_wait(f->core, 0), 0);
	/* Before the wait counts too, and a thousand are as one. */
	for (int i = 0; i < 100000; i++)
		pollcore_wake(f->core);
	while (pollcore_wait(f->core, 0) != 0)
		assert_int_equal(pollcore_nready(f->core), 0);
}

static void
signal_numbers_are_handed_over(void **state)
{
	struct fixture *f = *state;
	int fd = pollcore_wake_fd(f->core);
	uint8_t got[300];
	size_t n, sum = 0;

	assert_int_equal(write(fd, "\2\17", 2), 2);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_SIGNAL);
	assert_int_equal(pollcore_signals(f->core, got, 1), 1);
	assert_int_equal(got[0], 2);
	assert_int_equal(pollcore_signals(f->core, got, sizeof(got)), 1);
	assert_int_equal(got[0], 15);
	assert_int_equal(pollcore_signals(f->core, got, sizeof(got)), 0);
	for (n = 0; n < 300; n++)
		assert_int_equal(write(fd, "\1", 1), 1);
	while (pollcore_wait(f->core, 0) & POLLCORE_SIGNAL)
		sum += pollcore_signals(f->core, got, sizeof(got));
	assert_int_equal(sum, 300);
}

static void
many_at_once_are_one_batch(void **state)
{
	struct fixture *f = *state;
	int fds[300], i;

	fill(f);
	for (i = 0; i < 300; i++) {
		fds[i] = dup(f->fds[0]);
		assert_non_null(pollev_fd(f->core, fds[i], POLLEV_READ, NULL,
		    f));
	}
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(pollcore_nready(f->core), 300);
	for (i = 0; i < 300; i++)
		close(fds[i]);
}

static void
files_that_cannot_be_polled(void **state)
{
	struct fixture *f = *state;
	int fd = open("/proc/self/status", O_RDONLY);
	int file = open("/bin/sh", O_RDONLY);

	assert_true(fd != -1 && file != -1);
	errno = 0;
	assert_null(pollev_fd(f->core, file, POLLEV_READ, NULL, f));
	assert_int_equal(errno, EPERM);
	close(file);
	assert_null(pollev_fd(f->core, file, POLLEV_READ, NULL, f));
	assert_int_equal(errno, EBADF);
	assert_null(pollev_fd(f->core, 1 << 30, POLLEV_READ, NULL, f));
	assert_int_equal(errno, EBADF);
	close(fd);
}

static void
a_fresh_descriptor_is_heard(void **state)
{
	struct fixture *f = *state;
	struct pollev *stale, *ev;
	int old = dup(f->fds[0]), fd;
	unsigned what;

	stale = pollev_fd(f->core, old, POLLEV_READ, NULL, NULL);
	assert_non_null(stale);
	close(old);
	fd = dup(f->fds[0]);
	assert_int_equal(fd, old);
	pollcore_fresh(f->core, fd);
	ev = pollev_fd(f->core, fd, POLLEV_READ, NULL, f);
	assert_non_null(ev);
	fill(f);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	assert_int_equal(pollcore_nready(f->core), 1);
	assert_ptr_equal(pollcore_next(f->core, &what), f);
	/* The forgetful one may still say goodbye. */
	pollev_free(stale);
	assert_int_equal(pollcore_wait(f->core, -1), POLLCORE_ROUSED);
	pollev_free(ev);
	close(fd);
	pollcore_fresh(f->core, 1 << 20);
}

int
main(void)
{
#define CASE(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(ready_queue_is_level_triggered),
		CASE(what_is_not_taken_is_kept),
		CASE(one_descriptor_both_ways),
		CASE(a_handler_rouses_when_it_likes),
		CASE(a_handler_may_free_itself),
		CASE(time_is_not_short),
		CASE(timers_come_as_they_are_due),
		CASE(another_thread_wakes),
		CASE(signal_numbers_are_handed_over),
		CASE(many_at_once_are_one_batch),
		CASE(files_that_cannot_be_polled),
		CASE(a_fresh_descriptor_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Who answers a request: its thread or the watchdog, never both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "req/req.h"
#include "req/run.h"

#define RACES	20000

static struct slot slot;
static struct run run;
static struct req req;

static int
setup(void **state UNUSED)
{
	memset(&slot, 0, sizeof(slot));
	memset(&req, 0, sizeof(req));
	run_init(&run, &slot);
	run_enter(&run);
	req.start_ns = 1;
	return 0;
}

static uint64_t
begin(void)
{
	memset(&req.resp, 0, sizeof(req.resp));
	run_begin(&run, &req, 5);
	return run_number(run.claim);
}

static enum run_state
seize(uint64_t number)
{
	enum run_state was;

	pthread_mutex_lock(&run.lock);
	was = run_seize(&run, number);
	pthread_mutex_unlock(&run.lock);
	return was;
}

static void
an_undisturbed_request(void **state UNUSED)
{
	uint64_t number = begin();

	assert_ptr_equal(req.run, &run);
	assert_int_equal(slot.stage, SLOT_BUSY);
	assert_int_equal(slot.req.deadline_ns, 5);
	assert_int_equal(run_state(run.claim), RUN_OPEN);
	assert_true(run_write(&run));
	assert_int_equal(run_state(run.claim), RUN_WRITING);
	assert_true(run_wrote(&run));
	assert_int_equal(run_state(run.claim), RUN_SENT);
	assert_true(run_write(&run));
	run_end(&run);
	assert_int_equal(run_state(run.claim), RUN_NONE);
	assert_null(req.run);
	assert_false(req.resp.timed_out);
	assert_int_equal(slot.stage, SLOT_IDLE);
	assert_int_equal(begin(), number + 1);
	run_end(&run);
}

static void
taken_before_a_byte_has_left(void **state UNUSED)
{
	uint64_t number = begin();

	assert_int_equal(seize(number), RUN_OPEN);
	assert_int_equal(run_state(run.claim), RUN_TAKEN);
	assert_false(run_write(&run));
	req.resp.gone = true;
	run_end(&run);
	assert_true(req.resp.taken);
	assert_true(req.resp.timed_out);
	assert_false(req.resp.gone);
	assert_false(req.resp.failed);
}

static void
cut_between_two_writes(void **state UNUSED)
{
	uint64_t number = begin();

	assert_true(run_write(&run));
	assert_true(run_wrote(&run));
	assert_int_equal(seize(number), RUN_SENT);
	assert_false(run_write(&run));
	run_end(&run);
	assert_true(req.resp.failed);
	assert_true(req.resp.timed_out);
	assert_false(req.resp.taken);
}

static void
cut_after_a_write(void **state UNUSED)
{
	uint64_t number = begin();

	assert_true(run_write(&run));
	assert_int_equal(seize(number), RUN_WRITING);
	assert_false(run_wrote(&run));
	assert_false(run_write(&run));
	run_end(&run);
	assert_true(req.resp.failed);
	assert_true(req.resp.timed_out);
}

static void
the_last_write_is_past_being_cut(void **state UNUSED)
{
	uint64_t number = begin();

	assert_true(run_write(&run));
	assert_int_equal(seize(number), RUN_WRITING);
	req.resp.ended = true;
	run_end(&run);
	assert_true(req.resp.timed_out);
	assert_false(req.resp.failed);
	assert_false(req.resp.taken);
}

static void
cut_while_it_waits_to_write(void **state UNUSED)
{
	uint64_t number = begin();

	assert_true(run_write(&run));
	assert_true(run_wait(&run));
	assert_true(run_go_on(&run));
	assert_true(run_wait(&run));
	assert_int_equal(seize(number), RUN_BLOCKED);
	assert_false(run_go_on(&run));
	req.resp.ended = req.resp.gone = true;
	run_end(&run);
	assert_true(req.resp.failed);
	assert_false(req.resp.gone);
}

static void
another_request_is_not_meant(void **state UNUSED)
{
	uint64_t number = begin();

	run_end(&run);
	assert_int_equal(seize(number), RUN_NONE);
	begin();
	assert_int_equal(seize(number), RUN_NONE);
	assert_int_equal(run_state(run.claim), RUN_OPEN);
	assert_true(run_write(&run));
	run_end(&run);
	assert_false(req.resp.timed_out);
}

static void
more_time_until_it_is_over(void **state UNUSED)
{
	uint64_t number = begin();

	run_extend(&run, 4);
	assert_int_equal(run.deadline_ns, 5);
	run_extend(&run, 9);
	assert_int_equal(run.deadline_ns, 9);
	assert_int_equal(slot.req.deadline_ns, 9);
	assert_int_equal(seize(number), RUN_OPEN);
	run_extend(&run, 10);
	assert_int_equal(run.deadline_ns, 9);
	run_end(&run);
	run_begin(&run, &req, 0);
	run_extend(&run, 10);
	assert_int_equal(run.deadline_ns, 0);
	run_end(&run);
}

static void
without_a_run_nobody_else_answers(void **state UNUSED)
{
	assert_true(run_write(NULL));
	assert_true(run_wrote(NULL));
	assert_true(run_wait(NULL));
	assert_true(run_go_on(NULL));
}

/* What the watchdog wrote for, by request. */
static unsigned char answered[RACES + 1];
static _Atomic bool over;

static void *
watchdog(void *arg)
{
	uint64_t first = *(uint64_t *)arg, claim, number;
	enum run_state was;

	while (!over) {
		claim = run.claim;
		number = run_number(claim);
		if (run_state(claim) == RUN_NONE || number < first)
			continue;
		pthread_mutex_lock(&run.lock);
		was = run_seize(&run, number);
		/* Alive as long as we have the lock. */
		if (was == RUN_OPEN && run.req == &req)
			answered[number - first]++;
		pthread_mutex_unlock(&run.lock);
	}
	return NULL;
}

/* Each request is answered by exactly one of the two. */
static void
a_race_has_one_winner(void **state UNUSED)
{
	uint64_t number = run_number(run.claim) + 1;
	unsigned by_thread = 0, by_watchdog = 0, i;
	pthread_t thread;
	bool wrote;

	over = false;
	memset(answered, 0, sizeof(answered));
	assert_int_equal(pthread_create(&thread, NULL, watchdog, &number), 0);
	for (i = 0; i < RACES; i++) {
		assert_int_equal(begin(), number + i);
		wrote = run_write(&run);
		req.resp.ended = wrote;
		run_end(&run);
		if (wrote + answered[i] != 1 || req.resp.taken != !wrote)
			break;
		by_thread += wrote;
		by_watchdog += answered[i];
	}
	over = true;
	pthread_join(thread, NULL);
	assert_int_equal(by_thread + by_watchdog, RACES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_undisturbed_request),
		cmocka_unit_test(taken_before_a_byte_has_left),
		cmocka_unit_test(cut_between_two_writes),
		cmocka_unit_test(cut_after_a_write),
		cmocka_unit_test(the_last_write_is_past_being_cut),
		cmocka_unit_test(cut_while_it_waits_to_write),
		cmocka_unit_test(another_request_is_not_meant),
		cmocka_unit_test(more_time_until_it_is_over),
		cmocka_unit_test(without_a_run_nobody_else_answers),
		cmocka_unit_test(a_race_has_one_winner),
	};

	return cmocka_run_group_tests_name("run", tests, setup, NULL);
}

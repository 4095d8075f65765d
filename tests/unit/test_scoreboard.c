/* SPDX-License-Identifier: MIT */
/* Slots: what a reader sees, and what a hostile writer cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <stdio.h>
#include <unistd.h>

#include "state/scoreboard.h"

static struct board *board;

static int
setup(void **state UNUSED)
{
	board = board_new();
	return board == NULL ? -1 : 0;
}

static void
a_new_board_is_free(void **state UNUSED)
{
	struct slot_view v;
	uint32_t i;

	assert_int_equal(board_used(board), 0);
	for (i = 0; i < BOARD_ROOM; i += BOARD_ROOM / 4) {
		assert_int_equal(board->slots[i].stage, SLOT_FREE);
		assert_int_equal((uintptr_t)&board->slots[i] % 64, 0);
		assert_false(slot_read(&board->slots[i], &v));
	}
}

static void
a_request_is_seen_from_begin_to_end(void **state UNUSED)
{
	struct slot *s = &board->slots[1];
	struct slot_view v;

	slot_begin(s, 77, 99, STR("GET"), STR("/a?b"));
	assert_int_equal(s->stage, SLOT_BUSY);
	assert_true(slot_read(s, &v));
	assert_string_equal(v.method, "GET");
	assert_string_equal(v.uri, "/a?b");
	assert_int_equal(v.start_ns, 77);
	assert_int_equal(v.deadline_ns, 99);
	slot_end(s);
	assert_int_equal(s->stage, SLOT_IDLE);
	assert_false(slot_read(s, &v));
}

static void
long_names_are_cut(void **state UNUSED)
{
	struct slot *s = &board->slots[2];
	char uri[SLOT_URI + 10];
	struct slot_view v;

	memset(uri, 'x', sizeof(uri));
	slot_begin(s, 1, 0, (struct str){ uri, 16 },
	    (struct str){ uri, sizeof(uri) });
	assert_true(slot_read(s, &v));
	assert_int_equal(strlen(v.method), 15);
	assert_int_equal(strlen(v.uri), SLOT_URI - 1);
	slot_begin(s, 1, 0, (struct str){ NULL, 0 },
	    (struct str){ uri, SLOT_URI - 1 });
	assert_true(slot_read(s, &v));
	assert_int_equal(strlen(v.method), 0);
	assert_int_equal(strlen(v.uri), SLOT_URI - 1);
	slot_end(s);
}

static void
a_writer_that_died_in_the_middle_shows_nothing(void **state UNUSED)
{
	struct slot *s = &board->slots[3];
	struct slot_view v;

	slot_begin(s, 1, 0, STR("GET"), STR("/"));
	s->req.seq |= 1;
	assert_false(slot_read(s, &v));
	/* The slot's next owner starts well all the same. */
	slot_begin(s, 2, 0, STR("PUT"), STR("/x"));
	assert_true(slot_read(s, &v));
	assert_string_equal(v.method, "PUT");
	slot_end(s);
}

static void
text_without_an_end_gets_one(void **state UNUSED)
{
	struct slot *s = &board->slots[3];
	struct slot_view v;

	s->req.start_ns = 1;
	memset(s->req.method, 'm', sizeof(s->req.method));
	memset(s->req.uri, 'u', sizeof(s->req.uri));
	assert_true(slot_read(s, &v));
	assert_int_equal(strlen(v.method), sizeof(v.method) - 1);
	assert_int_equal(strlen(v.uri), sizeof(v.uri) - 1);
	s->req.start_ns = 0;
}

static void
counting(void **state UNUSED)
{
	struct slot *s = &board->slots[1];

	slot_count(s, COUNT_REQUESTS);
	slot_count(s, COUNT_REQUESTS);
	slot_count(s, COUNT_SHED);
	assert_int_equal(s->count[COUNT_REQUESTS], 2);
	assert_int_equal(s->count[COUNT_SHED], 1);
	assert_int_equal(s->count[COUNT_5XX], 0);
}

/* Bucket n ends where 2^n us begin. */
static void
times_fall_into_buckets(void **state UNUSED)
{
	static const struct {
		int64_t	ns;
		int	bucket;
	} cases[] = {
		{ INT64_MIN, 0 }, { -1, 0 }, { 0, 0 }, { 999, 0 }, { 1000, 1 },
		{ 1999, 1 }, { 2000, 2 }, { 3999, 2 }, { 4000, 3 },
		{ 1000000, 10 }, { 1024000, 11 },
		{ (INT64_C(1) << 34) * 1000, 35 },
		{ (INT64_C(1) << 35) * 1000, 35 }, { INT64_MAX, 35 },
	};
	struct hist h;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&h, 0, sizeof(h));
		hist_add(&h, cases[i].ns);
		assert_int_equal(h.n[cases[i].bucket], 1);
	}
}

static void
quantiles_of_a_sum(void **state UNUSED)
{
	struct hist fast = { { 0 } }, slow = { { 0 } };
	struct hist_sum sum = { { 0 }, 0 };
	int i;

	assert_int_equal(hist_quantile(&sum, 0.99), 0);
	for (i = 0; i < 98; i++)
		hist_add(&fast, 3000);
	for (i = 0; i < 2; i++)
		hist_add(&slow, 1500000);
	hist_sum(&sum, &fast);
	hist_sum(&sum, &slow);
	assert_int_equal(sum.total, 100);
	assert_int_equal(hist_quantile(&sum, 0.5), 4);
	assert_int_equal(hist_quantile(&sum, 0.98), 4);
	assert_int_equal(hist_quantile(&sum, 0.99), 2048);
	assert_int_equal(hist_quantile(&sum, 1), 2048);
}

/* A number of slots that was scribbled over leads nobody out of the board. */
static void
readers_stay_on_the_board(void **state UNUSED)
{
	uint32_t was = board->nslots;

	board->nslots = 3;
	assert_int_equal(board_used(board), 3);
	board->nslots = UINT32_MAX;
	assert_int_equal(board_used(board), BOARD_ROOM);
	board->nslots = was;
}

/* Another process writes two requests in turn; none is seen mixed. */
static void
a_reader_never_sees_half_a_request(void **state UNUSED)
{
	struct slot *s = &board->slots[0];
	struct slot_view v;
	unsigned seen = 0;
	pid_t pid;
	int i, status;

	board->stop_queue = 0;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		while (board->stop_queue == 0) {
			slot_begin(s, 1, 0, STR("AAAA"), STR("AAAAAAAA"));
			slot_begin(s, 2, 0, STR("BBBB"), STR("BBBBBBBB"));
		}
		_exit(0);
	}
	for (i = 0; i < 2000000 && seen < 20000; i++) {
		if (!slot_read(s, &v))
			continue;
		seen++;
		if (strcmp(v.method, v.start_ns == 1 ? "AAAA" : "BBBB") != 0 ||
		    strcmp(v.uri, v.start_ns == 1 ? "AAAAAAAA" :
		    "BBBBBBBB") != 0)
			break;
	}
	board->stop_queue = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (seen < 20000)
		fail_msg("after %u: %s %s %d", seen, v.method, v.uri,
		    (int)v.start_ns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_board_is_free),
		cmocka_unit_test(a_request_is_seen_from_begin_to_end),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(
		    a_writer_that_died_in_the_middle_shows_nothing),
		cmocka_unit_test(text_without_an_end_gets_one),
		cmocka_unit_test(counting),
		cmocka_unit_test(times_fall_into_buckets),
		cmocka_unit_test(quantiles_of_a_sum),
		cmocka_unit_test(readers_stay_on_the_board),
		cmocka_unit_test(a_reader_never_sees_half_a_request),
	};

	return cmocka_run_group_tests_name("scoreboard", tests, setup, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Who should take a connection, by what the slots say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "worker/siblings.h"

static struct board *board;
static struct siblings s, other;

static int
setup(void **state UNUSED)
{
	board = board_new();
	assert_non_null(board);
	board->nslots = 8;
	siblings_init(&s, board, &board->slots[2], "shop");
	return 0;
}

static int
teardown(void **state UNUSED)
{
	return munmap(board, sizeof(*board));
}

static void
one_alone_has_none(void **state UNUSED)
{
	siblings_init(&other, board, &board->slots[3], "blog");
	board->slots[3].stage = SLOT_IDLE;
	assert_false(siblings_any(&s, 0));
	assert_false(siblings_has_better(&s, 0, 100));
}

static void
an_idle_one_that_holds_less_is_better(void **state UNUSED)
{
	siblings_init(&other, board, &board->slots[5], "shop");
	board->slots[5].stage = SLOT_IDLE;
	board->slots[5].held = 2;
	assert_true(siblings_any(&s, 0));
	assert_false(siblings_has_better(&s, 0, 2));
	assert_true(siblings_has_better(&s, 0, 3));
	board->slots[5].stage = SLOT_BUSY;
	assert_false(siblings_has_better(&s, 0, 3));
	board->slots[5].stage = SLOT_DRAINING;
	assert_false(siblings_has_better(&s, 0, 3));
}

static void
a_calmer_one_runs_fewer_or_holds_fewer(void **state UNUSED)
{
	static const struct {
		uint32_t	busy, held;	/* the other has 1 and 2 */
		bool		calmer;
	} ours[] = {
		{ 0, 9, false }, { 1, 2, false }, { 1, 3, true },
		{ 2, 0, true }, { 2, 9, true }
	};
	struct slot *v = &board->slots[5];
	size_t i;

	siblings_init(&other, board, v, "shop");
	v->busy = 1;
	v->held = 2;
	v->stage = SLOT_IDLE;
	for (i = 0; i < nitems(ours); i++)
		assert_int_equal(siblings_has_calmer(&s, 0, ours[i].busy,
		    ours[i].held), ours[i].calmer);
	v->stage = SLOT_BUSY;
	assert_true(siblings_has_calmer(&s, 0, 2, 0));
	v->stage = SLOT_DRAINING;
	assert_false(siblings_has_calmer(&s, 0, 2, 0));
	v->stage = SLOT_BOOTING;
	assert_false(siblings_has_calmer(&s, 0, 2, 0));
}

static void
the_board_is_looked_at_once_a_second(void **state UNUSED)
{
	assert_false(siblings_has_better(&s, 0, 1));
	siblings_init(&other, board, &board->slots[0], "shop");
	board->slots[0].stage = SLOT_IDLE;
	assert_false(siblings_has_better(&s, 999, 1));
	assert_true(siblings_has_better(&s, 1000, 1));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_alone_has_none),
		TEST(an_idle_one_that_holds_less_is_better),
		TEST(a_calmer_one_runs_fewer_or_holds_fewer),
		TEST(the_board_is_looked_at_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

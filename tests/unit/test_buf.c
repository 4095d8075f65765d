/* SPDX-License-Identifier: MIT */
/* Growable bytes: the maximum, reuse of consumed room, and content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* Under ASan too, malloc answers NULL for what nobody has. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
content_is_what_was_added(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, 1024);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_addstr(&b, "one "), 0);
	assert_int_equal(buf_printf(&b, "%d %s", 2, "three"), 0);
	assert_int_equal(buf_len(&b), 11);
	assert_memory_equal(buf_head(&b), "one 2 three", 11);
	buf_drain(&b, 4);
	assert_memory_equal(buf_head(&b), "2 three", 7);
	buf_drain(&b, 7);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(b.off, 0);	/* empty: begins in front again */
	buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1024);
}

static void
the_maximum_holds_to_the_byte(void **state UNUSED)
{
	struct buf b;
	char x[300];

	memset(x, 'x', sizeof(x));
	buf_init(&b, 300);
	assert_int_equal(buf_add(&b, x, 299), 0);
	assert_int_equal(buf_reserve(&b, 2), -1);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_int_equal(buf_add(&b, x, 2), -1);
	assert_int_equal(buf_len(&b), 299);
	assert_int_equal(buf_printf(&b, "xy"), -1);
	assert_int_equal(buf_printf(&b, "y"), 0);
	assert_int_equal(buf_add(&b, x, 1), -1);
	assert_true(b.cap <= 300);
	assert_int_equal(buf_head(&b)[299], 'y');
	buf_fini(&b);
}

static void
consumed_room_is_used_again(void **state UNUSED)
{
	struct buf b;
	char x[200];
	size_t i;

	memset(x, 'x', sizeof(x));
	buf_init(&b, 256);
	for (i = 0; i < 100; i++) {
		assert_int_equal(buf_add(&b, x, sizeof(x)), 0);
		assert_int_equal(buf_add(&b, "tail", 4), 0);
		buf_drain(&b, sizeof(x));
		assert_memory_equal(buf_head(&b), "tail", 4);
		buf_drain(&b, 4);
	}
	assert_true(b.cap <= 256);
	buf_fini(&b);
}

static void
at_the_maximum_consumed_room_is_the_only_one(void **state UNUSED)
{
	struct buf b;
	char x[256];

	memset(x, 'x', sizeof(x));
	buf_init(&b, sizeof(x));
	assert_int_equal(buf_add(&b, x, sizeof(x)), 0);
	buf_drain(&b, 10);
	assert_int_equal(buf_add(&b, "0123456789", 10), 0);
	assert_int_equal(buf_len(&b), sizeof(x));
	assert_memory_equal(buf_head(&b) + 246, "0123456789", 10);
	buf_fini(&b);
}

static void
memory_is_kept_when_cleared(void **state UNUSED)
{
	struct buf b;
	char *data;

	buf_init(&b, 1024);
	assert_int_equal(buf_addstr(&b, "abc"), 0);
	data = b.data;
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_addstr(&b, "def"), 0);
	assert_ptr_equal(b.data, data);
	buf_fini(&b);
}

static void
no_memory_leaves_the_content(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_addstr(&b, "abc"), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX / 2), -1);
	assert_int_equal(buf_len(&b), 3);
	assert_memory_equal(buf_head(&b), "abc", 3);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_what_was_added),
		cmocka_unit_test(the_maximum_holds_to_the_byte),
		cmocka_unit_test(consumed_room_is_used_again),
		cmocka_unit_test(at_the_maximum_consumed_room_is_the_only_one),
		cmocka_unit_test(memory_is_kept_when_cleared),
		cmocka_unit_test(no_memory_leaves_the_content),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Arenas: alignment, the maximum, growing in place, and what reset keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Under ASan too, malloc answers NULL for what nobody has. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
blocks_are_aligned_and_apart(void **state UNUSED)
{
	struct arena a;
	char *p[64];
	size_t i, j;

	arena_init(&a, 128, 65536);
	for (i = 0; i < nitems(p); i++) {
		p[i] = arena_alloc(&a, i);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i);
	}
	for (i = 0; i < nitems(p); i++)
		for (j = 0; j < i; j++)
			assert_int_equal(p[i][j], (char)i);
	arena_fini(&a);
}

static void
no_more_than_the_maximum_is_handed_out(void **state UNUSED)
{
	struct arena a;

	arena_init(&a, 64, 256);
	assert_non_null(arena_alloc(&a, 100));
	assert_null(arena_alloc(&a, 145));
	assert_non_null(arena_alloc(&a, 144));
	assert_null(arena_alloc(&a, 1));
	assert_null(arena_alloc(&a, 0));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 15));
	assert_int_equal(a.used, 256);
	arena_fini(&a);
}

static void
no_memory_is_an_answer(void **state UNUSED)
{
	struct arena a;
	char *p;

	arena_init(&a, 64, SIZE_MAX);
	assert_null(arena_alloc(&a, SIZE_MAX / 2));
	assert_non_null(p = arena_alloc(&a, 8));
	strcpy(p, "kept");
	assert_null(arena_grow(&a, p, 8, SIZE_MAX / 2));
	assert_string_equal(p, "kept");
	arena_fini(&a);
}

static void
the_newest_block_grows_in_place(void **state UNUSED)
{
	struct arena a;
	char *p, *q;

	arena_init(&a, 256, 4096);
	p = arena_alloc(&a, 10);
	memcpy(p, "0123456789", 10);
	assert_ptr_equal(arena_grow(&a, p, 10, 16), p);
	assert_ptr_equal(arena_grow(&a, p, 16, 200), p);
	assert_int_equal(a.used, 208);
	assert_ptr_equal(arena_grow(&a, p, 200, 5), p);
	q = arena_grow(&a, p, 200, 1000);
	assert_non_null(q);
	assert_ptr_not_equal(q, p);
	assert_memory_equal(q, "0123456789", 10);
	assert_non_null(arena_grow(&a, NULL, 0, 10));
	arena_fini(&a);
}

static void
an_older_block_moves(void **state UNUSED)
{
	struct arena a;
	char *p, *q, *r;

	arena_init(&a, 256, 4096);
	p = arena_alloc(&a, 16);
	memcpy(p, "0123456789abcdef", 16);
	q = arena_alloc(&a, 16);
	memcpy(q, "q", 2);
	r = arena_grow(&a, p, 16, 32);
	assert_ptr_not_equal(r, p);
	assert_memory_equal(r, "0123456789abcdef", 16);
	assert_string_equal(q, "q");
	arena_fini(&a);
}

static void
growing_respects_the_maximum(void **state UNUSED)
{
	struct arena a;
	char *p;

	arena_init(&a, 512, 256);
	p = arena_alloc(&a, 128);
	assert_null(arena_grow(&a, p, 128, 257));
	assert_null(arena_grow(&a, p, 128, SIZE_MAX));
	assert_ptr_equal(arena_grow(&a, p, 128, 256), p);
	arena_fini(&a);
}

static void
reset_keeps_the_first_chunk(void **state UNUSED)
{
	struct arena a;
	void *first;
	int i;

	arena_init(&a, 128, 65536);
	arena_reset(&a);		/* nothing there yet */
	first = arena_alloc(&a, 64);
	for (i = 0; i < 3; i++) {
		assert_non_null(arena_alloc(&a, 1000));
		arena_reset(&a);
		assert_int_equal(a.used, 0);
		assert_ptr_equal(arena_alloc(&a, 64), first);
	}
	arena_fini(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 1));
	arena_fini(&a);
}

static void
nothing_may_be_asked_for(void **state UNUSED)
{
	char *s;
	void *p;

	p = xmalloc(0);
	assert_non_null(p);
	p = xreallocarray(p, 0, 8);
	assert_non_null(p);
	free(p);
	p = xcalloc(0, 8);
	assert_non_null(p);
	free(p);
	assert_int_equal(xasprintf(&s, "%s-%d", "a", 7), 3);
	assert_string_equal(s, "a-7");
	free(s);
	s = xstrndup("abcdef", 3);
	assert_string_equal(s, "abc");
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_and_apart),
		cmocka_unit_test(no_more_than_the_maximum_is_handed_out),
		cmocka_unit_test(no_memory_is_an_answer),
		cmocka_unit_test(the_newest_block_grows_in_place),
		cmocka_unit_test(an_older_block_moves),
		cmocka_unit_test(growing_respects_the_maximum),
		cmocka_unit_test(reset_keeps_the_first_chunk),
		cmocka_unit_test(nothing_may_be_asked_for),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}

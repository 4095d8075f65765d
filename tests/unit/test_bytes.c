/* SPDX-License-Identifier: MIT */
/* Short runs of bytes: every length, every place, with any neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/attr.h"
#include "base/bytes.h"

#define LENGTHS		100	/* more than BYTES_LONG */
#define AROUND		16	/* bytes on both sides that do not count */

static char	left[LENGTHS + 2 * AROUND], right[LENGTHS + 2 * AROUND];

static void
same_bytes_are_the_same_whatever_is_around(void **state UNUSED)
{
	size_t n;

	for (n = 0; n < LENGTHS; n++) {
		memset(left, 'l', sizeof(left));
		memset(right, 'r', sizeof(right));
		memset(left + AROUND, 'x', n);
		memset(right + AROUND, 'x', n);
		assert_true(bytes_same(left + AROUND, right + AROUND, n));
	}
}

static void
one_byte_makes_a_difference(void **state UNUSED)
{
	size_t n, i;

	memset(left, 'x', sizeof(left));
	memset(right, 'x', sizeof(right));
	for (n = 1; n < LENGTHS; n++)
		for (i = 0; i < n; i++) {
			right[AROUND + i] ^= 0x40;
			assert_false(bytes_same(left + AROUND,
			    right + AROUND, n));
			right[AROUND + i] ^= 0x40;
		}
}

static void
less_is_found_in_every_place(void **state UNUSED)
{
	size_t n, i;

	memset(left, 'x', sizeof(left));
	for (n = 1; n < LENGTHS; n++)
		for (i = 0; i < n; i++) {
			left[AROUND + i] = '\r';
			assert_true(bytes_have_less(left + AROUND, n, 14));
			left[AROUND + i] = '\0';
			assert_true(bytes_have_less(left + AROUND, n, 14));
			left[AROUND + i] = 'x';
		}
}

static void
nothing_less_is_found_where_there_is_none(void **state UNUSED)
{
	static const char others[] = { 14, 15, 0x7f, (char)0x80, (char)0x8d,
		(char)0xff };
	size_t n, i;

	for (n = 0; n < LENGTHS; n++)
		for (i = 0; i < sizeof(others); i++) {
			memset(left, '\0', sizeof(left));
			memset(left + AROUND, others[i], n);
			assert_false(bytes_have_less(left + AROUND, n, 14));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes_are_the_same_whatever_is_around),
		cmocka_unit_test(one_byte_makes_a_difference),
		cmocka_unit_test(less_is_found_in_every_place),
		cmocka_unit_test(nothing_less_is_found_where_there_is_none),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The time a proxy puts on a request. */
#include "req/wait.h"

#define WAIT_BELIEVED	(INT64_C(600) * 1000000000)
#define WAIT_DIGITS	19	/* of nanoseconds since 1970 */

/* Its digits without the point; *whole are those before it. -1: no number. */
static int64_t
wait_digits(struct str s, unsigned *whole, unsigned *digits)
{
	int64_t n = 0;
	size_t i;

	*whole = *digits = 0;
	for (i = 0; i < s.len && *digits < WAIT_DIGITS; i++) {
		if (s.p[i] == '.' && *whole == 0)
			*whole = *digits;
		else if (s.p[i] < '0' || s.p[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, s.p[i] - '0', &n))
			return -1;
		else
			++*digits;
	}
	if (*whole == 0)
		*whole = *digits;
	return *digits > 0 ? n : -1;
}

/*
 * The number of digits tells the unit until the year 2286: ten are seconds, and
 * every three more are a finer one.
 */
static int64_t
wait_parse(struct str s)
{
	unsigned whole, digits;
	int64_t n;

	if (str_starts(s, STR("t=")))
		s = (struct str){ s.p + 2, s.len - 2 };
	n = wait_digits(s, &whole, &digits);
	if (n == -1 || (whole != 10 && whole != 13 && whole != 16 &&
	    whole != 19))
		return -1;
	for (; digits < WAIT_DIGITS; digits++)
		n *= 10;
	return n;
}

int64_t
wait_ns(const struct params *p, int64_t wall_ns)
{
	struct str s = p->known[PARAM_REQUEST_START];
	int64_t start, ns;

	if (s.p == NULL)
		s = p->known[PARAM_HTTP_X_REQUEST_START];
	if (s.p == NULL || (start = wait_parse(s)) == -1)
		return -1;
	ns = wall_ns - start;
	return ns > WAIT_BELIEVED ? -1 : ns > 0 ? ns : 0;
}

/* SPDX-License-Identifier: MIT */
/* The forms in which proxies say when a request came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/attr.h"
#include "req/wait.h"

#define NOW	(INT64_C(1700000000) * 1000000000 + 500000000)
#define S(n)	((int64_t)((n) * 1000000000.0))

static int64_t
wait_of(const char *text)
{
	struct params p;

	memset(&p, 0, sizeof(p));
	p.known[PARAM_HTTP_X_REQUEST_START] =
	    (struct str){ text, strlen(text) };
	return wait_ns(&p, NOW);
}

static const struct {
	const char	*text;
	int64_t		 ns;
} cases[] = {
	{ "1700000000.250", S(0.25) },		/* nginx's $msec */
	{ "t=1700000000.250", S(0.25) },
	{ "t=1699999999", S(1.5) },
	{ "1700000000.", S(0.5) },
	{ "t=1700000000250", S(0.25) },		/* Heroku: ms */
	{ "t=1700000000250000", S(0.25) },	/* Apache's %t: us */
	{ "1700000000250000000", S(0.25) },
	{ "t=1700000000250.5", S(0.2495) },
	{ "1700000000.2500000004", S(0.25) },	/* more than there are */
	{ "t=1700000000.500", 0 },
	{ "t=1700000009.000", 0 },		/* to come */
	{ "t=1699999400.500", S(600) },
	{ "t=1699999400.499", -1 },		/* too long ago */
	{ "t=1384653200", -1 },
	{ "t=2000000000", 0 },
	{ "", -1 }, { "t=", -1 }, { "t=.", -1 }, { ".5", -1 }, { "-1", -1 },
	{ "t=0", -1 }, { "1", -1 }, { "170000000", -1 }, { "17000000000", -1 },
	{ "t=1700000000,250", -1 }, { "t=1700000000.2.5", -1 },
	{ "t=1700000000.250s", -1 }, { "t=+1700000000", -1 },
	{ "t= 1700000000", -1 }, { "T=1700000000", -1 },
	{ "9999999999999999999", -1 }, { "99999999999999999999999", -1 },
};

static void
forms(void **state UNUSED)
{
	size_t i;

	for (i = 0; i < nitems(cases); i++)
		if (wait_of(cases[i].text) != cases[i].ns)
			fail_msg("%s: %lld", cases[i].text,
			    (long long)wait_of(cases[i].text));
}

static void
the_proxys_parameter_comes_before_the_header(void **state UNUSED)
{
	struct params p;

	memset(&p, 0, sizeof(p));
	assert_int_equal(wait_ns(&p, NOW), -1);
	p.known[PARAM_HTTP_X_REQUEST_START] = STR("1699999999.500");
	assert_int_equal(wait_ns(&p, NOW), S(1));
	p.known[PARAM_REQUEST_START] = STR("1700000000.250");
	assert_int_equal(wait_ns(&p, NOW), S(0.25));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(the_proxys_parameter_comes_before_the_header),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What ps shows, and what stays of the arguments and the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/title.h"

static char **args;
static const char *first;		/* of the real argv */

static void
must_show(const char *want)
{
	char got[8192] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY);

	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, want);
}

static void
a_title_replaces_the_command_line(void **state)
{
	(void)state;
	title_set("worker %s/%d", "shop", 3);
	must_show("saola: worker shop/3");
	title_set("master");
	must_show("saola: master");
}

static void
a_long_title_is_cut(void **state)
{
	char name[1024];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	title_set("%s", name);
	title_set("short");
	must_show("saola: short");
}

static void
arguments_and_environment_are_copies(void **state)
{
	(void)state;
	title_set("overwritten");
	assert_ptr_not_equal(args[0], first);
	assert_non_null(strstr(args[0], "test_title"));
	assert_null(args[1]);
	assert_string_equal(getenv("TITLE_TEST"), "kept");
	assert_int_equal(setenv("TITLE_MORE", "works", 1), 0);
	assert_string_equal(getenv("TITLE_MORE"), "works");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_title_replaces_the_command_line),
		cmocka_unit_test(a_long_title_is_cut),
		cmocka_unit_test(arguments_and_environment_are_copies),
	};

	setenv("TITLE_TEST", "kept", 1);
	first = argv[0];
	args = title_init(argc, argv);
	return cmocka_run_group_tests_name("title", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a child keeps of its parent's descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/fds.h"

#define CHECK(x)	do { if (!(x)) _exit(__LINE__ % 255 + 1); } while (0)

static void
in_child(void (*check)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void
check_keep(void)
{
	int keep[] = { 30, 2, -1, 10, 10, 11, 0 }, fd;

	for (fd = 3; fd < 40; fd++)
		dup2(2, fd);
	fds_keep(keep, sizeof(keep) / sizeof(keep[0]));
	for (fd = 0; fd < 40; fd++)
		CHECK(is_open(fd) == (fd <= 2 || fd == 10 || fd == 11 ||
		    fd == 30));
}

static void
check_keep_none(void)
{
	dup2(2, 3);
	dup2(2, 500);
	fds_keep(NULL, 0);
	CHECK(is_open(2) && !is_open(3) && !is_open(500));
}

static void
check_sane(void)
{
	close(0);
	close(2);
	fds_sane();
	CHECK(is_open(0) && is_open(1) && is_open(2));
	CHECK(dup(0) >= 3);
}

static void
only_the_listed_ones_stay(void **state)
{
	(void)state;
	in_child(check_keep);
	in_child(check_keep_none);
}

static void
the_first_three_are_always_open(void **state)
{
	(void)state;
	in_child(check_sane);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_listed_ones_stay),
		cmocka_unit_test(the_first_three_are_always_open),
	};

	return cmocka_run_group_tests_name("fds", tests, NULL, NULL);
}

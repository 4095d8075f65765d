/* SPDX-License-Identifier: MIT */
/* Pid files: stale replaced, living refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/pidfile.h"

static char dir[] = "/tmp/saola-pidfile-XXXXXX";
static char path[64];

static int
setup(void **state UNUSED)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/pid", dir);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	return rmdir(dir);
}

static void
put(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
must_hold_us(void)
{
	char got[32] = "", want[32];
	int fd = open(path, O_RDONLY);

	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d\n", getpid());
	assert_string_equal(got, want);
}

static void
it_is_written_and_removed(void **state UNUSED)
{
	struct err err;

	assert_int_equal(pidfile_write(path, &err), 0);
	must_hold_us();
	assert_int_equal(pidfile_write(path, &err), 0);	/* our own */
	pidfile_remove(path);
	assert_int_equal(access(path, F_OK), -1);
}

static void
stale_and_broken_ones_are_replaced(void **state UNUSED)
{
	static const char *const stale[] = { "", "x", "0", "-5", "12 34",
	    "99999999999999", "2147483647\n" };
	char dead[32];
	struct err err;
	pid_t pid;
	size_t i;

	for (i = 0; i < nitems(stale); i++) {
		put(stale[i]);
		assert_int_equal(pidfile_write(path, &err), 0);
		must_hold_us();
	}
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	snprintf(dead, sizeof(dead), "%d\n", pid);
	put(dead);
	assert_int_equal(pidfile_write(path, &err), 0);
	must_hold_us();
	pidfile_remove(path);
}

static void
a_living_process_is_refused(void **state UNUSED)
{
	char text[32];
	struct err err;

	snprintf(text, sizeof(text), "%d\n", getppid());
	put(text);
	assert_int_equal(pidfile_write(path, &err), -1);
	assert_non_null(strstr(err.text, "is alive"));
	assert_int_equal(err.code, 1);
	pidfile_remove(path);			/* not ours: it stays */
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

static void
a_directory_that_is_missing_is_told(void **state UNUSED)
{
	struct err err;

	assert_int_equal(pidfile_write("/nowhere/pid", &err), -1);
	assert_non_null(strstr(err.text, "/nowhere/pid"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_written_and_removed),
		cmocka_unit_test(stale_and_broken_ones_are_replaced),
		cmocka_unit_test(a_living_process_is_refused),
		cmocka_unit_test(a_directory_that_is_missing_is_told),
	};

	return cmocka_run_group_tests_name("pidfile", tests, setup, teardown);
}

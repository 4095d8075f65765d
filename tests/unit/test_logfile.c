/* SPDX-License-Identifier: MIT */
/* The error log's file: made, refused, moved away and opened again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/logfile.h"

static char dir[] = "/tmp/saola-logfile-XXXXXX";
static char path[64], moved[64];

static int
setup(void **state UNUSED)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	return rmdir(dir);
}

static int
set_error(const char *where, struct err *err)
{
	return logfile_set_error(where, "test", LOG_INFO_, -1, -1, err);
}

static void
must_hold(const char *file, const char *text)
{
	char got[512] = "";
	int fd = open(file, O_RDONLY);

	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	if (strstr(got, text) == NULL)
		fail_msg("%s holds: %s", file, got);
}

static void
it_is_opened_again_under_its_name(void **state UNUSED)
{
	struct stat st;
	struct err err;
	int fd;

	assert_int_equal(set_error(path, &err), 0);
	log_info("before");
	assert_int_equal(rename(path, moved), 0);
	log_info("still the old one");
	fd = logfile_error_fd();
	logfile_reopen_error();
	assert_int_equal(logfile_error_fd(), fd);
	log_info("after");
	must_hold(moved, "still the old one");
	must_hold(path, "after");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(set_error("-", &err), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	unlink(path);
	unlink(moved);
}

static void
a_link_or_a_bad_place_leaves_the_log_where_it_was(void **state UNUSED)
{
	struct err err;

	assert_int_equal(set_error(path, &err), 0);
	assert_int_equal(symlink(path, moved), 0);
	assert_int_equal(set_error(moved, &err), -1);
	assert_non_null(strstr(err.text, "symbolic link"));
	assert_int_equal(set_error("/nowhere/log", &err), -1);
	assert_int_equal(set_error("syslog:nobody", &err), -1);
	log_info("still here");
	must_hold(path, "still here");
	assert_int_equal(set_error("-", &err), 0);
	unlink(path);
	unlink(moved);
}

static void
a_relative_path_stays_where_the_process_started(void **state UNUSED)
{
	struct err err;
	int here = open(".", O_RDONLY | O_DIRECTORY);

	assert_int_equal(chdir(dir), 0);
	assert_int_equal(set_error("log", &err), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rename(path, moved), 0);
	logfile_reopen_error();
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(set_error("-", &err), 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
	unlink(path);
	unlink(moved);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_opened_again_under_its_name),
		cmocka_unit_test(
		    a_link_or_a_bad_place_leaves_the_log_where_it_was),
		cmocka_unit_test(
		    a_relative_path_stays_where_the_process_started),
	};

	return cmocka_run_group_tests_name("logfile", tests, setup, teardown);
}

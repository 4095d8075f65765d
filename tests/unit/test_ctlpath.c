/* SPDX-License-Identifier: MIT */
/* Where control sockets are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/ctlpath.h"
#include "os/self.h"

static char base[64];

static int
make_base(void **state UNUSED)
{
	strcpy(base, "/tmp/saola-ctl-XXXXXX");
	return mkdtemp(base) != NULL ? 0 : -1;
}

static int
remove_base(void **state UNUSED)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command);
}

static void
the_first_choice_is_what_systemd_made(void **state UNUSED)
{
	struct strlist dirs = { 0 };
	char list[128], want[128], *path;
	struct err err;

	snprintf(list, sizeof(list), "%s:/elsewhere", base);
	setenv("RUNTIME_DIRECTORY", list, 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	ctlpath_dirs(&dirs);
	assert_int_equal(dirs.n, 3);
	assert_string_equal(dirs.v[0], base);
	assert_string_equal(dirs.v[1], "/run/saola");
	assert_string_equal(dirs.v[2], "/run/user/1/saola");
	strlist_fini(&dirs);
	path = ctlpath_choose("../a/b", &err);
	snprintf(want, sizeof(want), "%s/.._a_b.sock", base);
	assert_string_equal(path, want);
	free(path);
}

static void
a_place_is_named_once(void **state UNUSED)
{
	struct strlist dirs = { 0 };

	setenv("RUNTIME_DIRECTORY", "/run/saola", 1);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ctlpath_dirs(&dirs);
	assert_int_equal(dirs.n, 1);
	strlist_fini(&dirs);
}

static void
a_directory_that_all_can_write_is_nobodys(void **state UNUSED)
{
	bool was = access("/run/saola", F_OK) == 0;
	struct err err;
	char *path;

	setenv("RUNTIME_DIRECTORY", base, 1);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(chmod(base, 0777), 0);
	path = ctlpath_choose("x", &err);
	assert_true(path == NULL || strncmp(path, base, strlen(base)) != 0);
	free(path);
	assert_int_equal(chmod(base, 0755), 0);
	if (!was)
		rmdir("/run/saola");	/* root has made it */
}

static void
sockets_are_found_by_their_suffix(void **state UNUSED)
{
	struct strlist found = { 0 };
	char path[128];
	size_t i, n = 0;

	setenv("RUNTIME_DIRECTORY", base, 1);
	snprintf(path, sizeof(path), "%s/one.sock", base);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/other", base);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	ctlpath_find(&found);
	for (i = 0; i < found.n; i++)
		n += strncmp(found.v[i], base, strlen(base)) == 0;
	assert_int_equal(n, 1);
	strlist_fini(&found);
}

static void
our_program_is_found_as_the_shell_found_it(void **state UNUSED)
{
	char dirs[160], want[160], *cwd = getcwd(NULL, 0), *path;

	path = self_path("/usr/sbin/saola");
	assert_string_equal(path, "/usr/sbin/saola");
	free(path);
	path = self_path("./saola");
	snprintf(want, sizeof(want), "%s/./saola", cwd);
	assert_string_equal(path, want);
	free(path);
	snprintf(dirs, sizeof(dirs), "/nowhere::%s:/bin", base);
	setenv("PATH", dirs, 1);
	path = self_path("sh");
	assert_string_equal(path, "/bin/sh");
	free(path);
	path = self_path("no-such-program");
	assert_true(strstr(path, "test_ctlpath") != NULL);
	free(path);
	free(cwd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_choice_is_what_systemd_made),
		cmocka_unit_test(a_place_is_named_once),
		cmocka_unit_test(a_directory_that_all_can_write_is_nobodys),
		cmocka_unit_test(sockets_are_found_by_their_suffix),
		cmocka_unit_test(our_program_is_found_as_the_shell_found_it),
	};

	return cmocka_run_group_tests_name("ctlpath", tests, make_base,
	    remove_base);
}

/* SPDX-License-Identifier: MIT */
/* The kernel's count of processes killed for lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/cgroup.h"

static char root[] = "/tmp/saola-cgroup-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return system(cmd);
}

static void
put(const char *dir, const char *name, const char *text)
{
	char cmd[256], path[256];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "mkdir -p %s%s", root, dir);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s%s/%s", root, dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
it_is_read_from_our_own_group(void **state)
{
	(void)state;
	assert_int_equal(cgroup_oom_kills(root), -1);
	put("/proc/self", "cgroup", "0::/system.slice/saola.service\n");
	assert_int_equal(cgroup_oom_kills(root), -1);
	put("/sys/fs/cgroup/system.slice/saola.service", "memory.events",
	    "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n");
	assert_int_equal(cgroup_oom_kills(root), 2);
	put("/sys/fs/cgroup/system.slice/saola.service", "memory.events",
	    "low 0\n");
	assert_int_equal(cgroup_oom_kills(root), -1);
}

static void
version_1_says_nothing(void **state)
{
	(void)state;
	put("/proc/self", "cgroup", "4:memory:/x\n3:cpu:/x\n");
	assert_int_equal(cgroup_oom_kills(root), -1);
	put("/proc/self", "cgroup", "");
	assert_int_equal(cgroup_oom_kills(root), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_read_from_our_own_group),
		cmocka_unit_test(version_1_says_nothing),
	};

	return cmocka_run_group_tests_name("cgroup", tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/* CPUs and memory from a made-up /proc and /sys, and the workers for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "conf/machine.h"

#define MIB	((int64_t)1024 * 1024)

static char root[] = "/tmp/test_machine.XXXXXX";

static const char *const dirs[] = { "/proc", "/proc/self", "/sys", "/sys/fs",
    "/sys/fs/cgroup", "/sys/fs/cgroup/a", "/sys/fs/cgroup/a/b" };
static const char *const files[] = { "/proc/meminfo", "/proc/self/cgroup",
    "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/a/memory.max",
    "/sys/fs/cgroup/a/b/cpu.max", "/sys/fs/cgroup/a/b/memory.max" };

static void
put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_non_null(f = fopen(full, "w"));
	fputs(text, f);
	fclose(f);
}

static int
make_root(void **state UNUSED)
{
	char full[256];
	size_t i;

	strcpy(root + strlen(root) - 6, "XXXXXX");
	assert_non_null(mkdtemp(root));
	for (i = 0; i < nitems(dirs); i++) {
		snprintf(full, sizeof(full), "%s%s", root, dirs[i]);
		assert_int_equal(mkdir(full, 0700), 0);
	}
	put("/proc/meminfo", "MemTotal:        8192000 kB\nMemFree: 1 kB\n");
	put("/proc/self/cgroup", "0::/a/b\n");
	return 0;
}

static int
remove_root(void **state UNUSED)
{
	char full[256];
	size_t i;

	for (i = 0; i < nitems(files); i++) {
		snprintf(full, sizeof(full), "%s%s", root, files[i]);
		unlink(full);
	}
	for (i = nitems(dirs); i > 0; i--) {
		snprintf(full, sizeof(full), "%s%s", root, dirs[i - 1]);
		assert_int_equal(rmdir(full), 0);
	}
	return rmdir(root);
}

static struct machine
read_root(void)
{
	struct machine m;

	machine_read(root, &m);
	return m;
}

static int
own_cpus(void)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	return CPU_COUNT(&set);
}

static void
without_limits_it_is_affinity_and_memtotal(void **state UNUSED)
{
	struct machine m = read_root();

	assert_int_equal(m.cpus, own_cpus());
	assert_int_equal(m.memory, (int64_t)8192000 * 1024);
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	m = read_root();
	assert_int_equal(m.cpus, own_cpus());
	assert_int_equal(m.memory, (int64_t)8192000 * 1024);
}

static void
the_least_of_all_cgroups_above_counts(void **state UNUSED)
{
	struct machine m;

	put("/sys/fs/cgroup/a/b/cpu.max", "9000000 100000\n");
	put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	put("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
	put("/sys/fs/cgroup/memory.max", "536870912\n");
	m = read_root();
	assert_int_equal(m.cpus, 1);
	assert_int_equal(m.memory, 512 * MIB);
}

static void
parts_of_a_cpu_round_up(void **state UNUSED)
{
	if (own_cpus() < 2)
		skip();
	put("/sys/fs/cgroup/a/cpu.max", "100001 100000\n");
	assert_int_equal(read_root().cpus, 2);
	put("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
	assert_int_equal(read_root().cpus, 1);
}

/* In a container of its own namespace the cgroup is the root of what it sees. */
static void
a_container_sees_its_limits_at_the_root(void **state UNUSED)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "1000 100000\n");
	put("/sys/fs/cgroup/memory.max", "104857600\n");
	assert_int_equal(read_root().cpus, 1);
	assert_int_equal(read_root().memory, 100 * MIB);
}

static void
nonsense_is_no_limit(void **state UNUSED)
{
	static const char *const texts[] = { "", "x\n", "0 0\n", "-5 100000\n",
	    "100000 0\n", "100000\n", "99999999999999999999 1\n" };
	size_t i;

	for (i = 0; i < nitems(texts); i++) {
		put("/sys/fs/cgroup/a/cpu.max", texts[i]);
		assert_int_equal(read_root().cpus, own_cpus());
	}
	put("/sys/fs/cgroup/a/memory.max", "-1\n");
	assert_int_equal(read_root().memory, (int64_t)8192000 * 1024);
	put("/proc/self/cgroup", "3:cpu:/a\n");
	put("/proc/meminfo", "");
	assert_int_equal(read_root().memory, 0);
}

static void
workers_are_twice_the_cpus_and_one(void **state UNUSED)
{
	struct machine m = { .cpus = 2, .memory = 8192 * MIB };
	char why[64];

	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 5);
	assert_string_equal(why, "2 × 2 CPUs + 1");
	m = (struct machine){ .cpus = 1, .memory = 0 };
	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 3);
	assert_string_equal(why, "2 × 1 CPU + 1");
	m = (struct machine){ .cpus = INT_MAX, .memory = 64 * MIB };
	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 1);
}

static void
workers_with_threads_are_as_many_as_cpus(void **state UNUSED)
{
	struct machine m = { .cpus = 2, .memory = 8192 * MIB };
	char why[64];

	assert_int_equal(machine_workers(&m, false, why, sizeof(why)), 2);
	assert_string_equal(why, "2 CPUs");
	m.memory = 64 * MIB;
	assert_int_equal(machine_workers(&m, false, why, sizeof(why)), 1);
	assert_string_equal(why, "64 MiB of memory, 64 MiB each");
	m = (struct machine){ .cpus = 1, .memory = 0 };
	assert_int_equal(machine_workers(&m, false, why, sizeof(why)), 1);
	assert_string_equal(why, "1 CPU");
}

static void
memory_bounds_the_workers(void **state UNUSED)
{
	struct machine m = { .cpus = 8, .memory = 512 * MIB };
	char why[64];

	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 8);
	assert_string_equal(why, "512 MiB of memory, 64 MiB each");
	m.memory = 17 * 64 * MIB;
	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 17);
	assert_string_equal(why, "2 × 8 CPUs + 1");
	m.memory = 1;
	assert_int_equal(machine_workers(&m, true, why, sizeof(why)), 1);
}

#define MACHINE_TEST(f)	cmocka_unit_test_setup_teardown(f, make_root,	\
	    remove_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(without_limits_it_is_affinity_and_memtotal),
		MACHINE_TEST(the_least_of_all_cgroups_above_counts),
		MACHINE_TEST(parts_of_a_cpu_round_up),
		MACHINE_TEST(a_container_sees_its_limits_at_the_root),
		MACHINE_TEST(nonsense_is_no_limit),
		cmocka_unit_test(workers_are_twice_the_cpus_and_one),
		cmocka_unit_test(workers_with_threads_are_as_many_as_cpus),
		cmocka_unit_test(memory_bounds_the_workers),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}

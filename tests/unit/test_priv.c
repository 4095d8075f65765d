/* SPDX-License-Identifier: MIT */
/* Users and groups by name and number; becoming one for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/priv.h"

#define CHECK(x)	do { if (!(x)) _exit(__LINE__ % 255 + 1); } while (0)

static void
names_and_numbers_are_found(void **state UNUSED)
{
	struct priv p;
	struct err err;

	assert_int_equal(priv_find(NULL, "", &p, &err), 0);
	assert_int_equal(p.uid, (uid_t)-1);
	assert_int_equal(p.gid, (gid_t)-1);
	assert_int_equal(priv_find("root", NULL, &p, &err), 0);
	assert_int_equal(p.uid, 0);
	assert_int_equal(p.gid, 0);
	assert_string_equal(p.user, "root");
	assert_string_equal(p.home, "/root");
	assert_int_equal(priv_find("0", "12345", &p, &err), 0);
	assert_int_equal(p.uid, 0);
	assert_int_equal(p.gid, 12345);
	assert_int_equal(priv_find("", "root", &p, &err), 0);
	assert_int_equal(p.uid, (uid_t)-1);
	assert_int_equal(p.gid, 0);
}

static void
strangers_are_refused(void **state UNUSED)
{
	struct priv p;
	struct err err;

	assert_int_equal(priv_find("no-such-user", NULL, &p, &err), -1);
	assert_string_equal(err.text, "there is no user no-such-user");
	assert_int_equal(priv_find(NULL, "no-such-group", &p, &err), -1);
	assert_string_equal(err.text, "there is no group no-such-group");
	assert_int_equal(priv_find("-1", NULL, &p, &err), -1);
	assert_int_equal(priv_find("4294967295", NULL, &p, &err), -1);
	/* A number nobody has needs a group of its own. */
	assert_int_equal(priv_find("3123456789", NULL, &p, &err), -1);
	assert_non_null(strstr(err.text, "set group as well"));
	assert_int_equal(priv_find("3123456789", "7", &p, &err), 0);
	assert_int_equal(p.uid, 3123456789u);
}

static void
become(const char *user, const char *group, void (*check)(void))
{
	struct priv p;
	struct err err;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		CHECK(priv_find(user, group, &p, &err) == 0);
		CHECK(priv_become(&p, &err) == 0);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
check_daemon(void)
{
	gid_t groups[64];
	uid_t r, e, s;
	int n;

	CHECK(getresuid(&r, &e, &s) == 0 && r == 1 && e == 1 && s == 1);
	CHECK(getegid() == 1);
	n = getgroups(64, groups);
	CHECK(n >= 1 && n < 64);
	while (n-- > 0)
		CHECK(groups[n] != 0);
	CHECK(setuid(0) == -1 && setgid(0) == -1);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(strcmp(getenv("USER"), "daemon") == 0);
	CHECK(strcmp(getenv("HOME"), "/usr/sbin") == 0);
}

static void
check_numbers(void)
{
	gid_t groups[4];

	CHECK(getuid() == 12345 && getgid() == 54321);
	CHECK(getgroups(4, groups) == 1 && groups[0] == 54321);
}

static void
check_group_only(void)
{
	CHECK(getuid() == 0 && getgid() == 54321);
}

static void
root_becomes_a_user_for_good(void **state UNUSED)
{
	if (geteuid() != 0)
		skip();
	become("daemon", NULL, check_daemon);
	become("12345", "54321", check_numbers);
	become(NULL, "54321", check_group_only);
}

static void
others_can_only_stay_what_they_are(void **state UNUSED)
{
	struct priv root = { .uid = 0, .gid = 0 };
	struct priv self = { .uid = 12345, .gid = 54321 };
	struct err err;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		CHECK(priv_become(&self, &err) == 0);
		CHECK(priv_become(&self, &err) == 0);
		CHECK(priv_become(&root, &err) == -1);
		CHECK(strstr(err.text, "only root") != NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct __user_cap_data_struct caps[2];

static void
cap_call(long call)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	CHECK(syscall(call, &head, caps) == 0);
}

/* A user with what the unit file for several users gives. */
static void
be_a_master(void)
{
	const uint32_t all = 1u << CAP_SETUID | 1u << CAP_SETGID |
	    1u << CAP_CHOWN;
	int cap;

	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	CHECK(setgroups(0, NULL) == 0 && setresgid(4321, 4321, 4321) == 0);
	CHECK(setresuid(1234, 1234, 1234) == 0);
	CHECK(!priv_can_give());
	caps[0].permitted = caps[0].effective = caps[0].inheritable = all;
	caps[1] = (struct __user_cap_data_struct){ 0 };
	cap_call(SYS_capset);
	for (cap = 0; cap < 32; cap++)
		if ((all & 1u << cap) != 0)
			CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap,
			    0, 0) == 0);
	CHECK(priv_can_give());
}

static void
check_no_caps(void)
{
	cap_call(SYS_capget);
	CHECK((caps[0].permitted | caps[0].effective |
	    caps[0].inheritable) == 0);
	CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 0,
	    0) == 0);
	CHECK(setuid(1) == -1 || getuid() == 1);
}

static void
check_as_master(void (*check)(void), const char *user)
{
	struct priv p;
	struct err err;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		be_a_master();
		CHECK(priv_find(user, NULL, &p, &err) == 0);
		CHECK(priv_become(&p, &err) == 0);
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
capabilities_change_the_user_and_end(void **state UNUSED)
{
	if (geteuid() != 0)
		skip();
	check_as_master(check_daemon, "daemon");
	check_as_master(check_no_caps, "daemon");
	check_as_master(check_no_caps, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_are_found),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(root_becomes_a_user_for_good),
		cmocka_unit_test(others_can_only_stay_what_they_are),
		cmocka_unit_test(capabilities_change_the_user_and_end),
	};

	return cmocka_run_group_tests_name("priv", tests, NULL, NULL);
}

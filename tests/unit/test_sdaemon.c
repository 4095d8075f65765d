/* SPDX-License-Identifier: MIT */
/* Passed sockets and notification, each in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/proc.h"
#include "os/sdaemon.h"

#define CHECK(x)	do { if (!(x)) _exit(__LINE__ % 255 + 1); } while (0)

/* Run in a child whose pid LISTEN_PID names. */
static void
in_child(const char *fds, const char *names, void (*check)(void))
{
	char pid[16];
	int status;
	pid_t child;

	child = fork();
	if (child == 0) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", fds, 1);
		if (names != NULL)
			setenv("LISTEN_FDNAMES", names, 1);
		dup2(1, 3);
		dup2(1, 4);
		sdaemon_init();
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(WIFEXITED(status));
}

static void
check_two_names(void)
{
	CHECK(sdaemon_count() == 2);
	CHECK(sdaemon_fd(0) == 3 && sdaemon_fd(1) == 4);
	CHECK(strcmp(sdaemon_name(0), "web") == 0);
	CHECK(strcmp(sdaemon_name(1), "admin.socket") == 0);
	CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK(getenv("LISTEN_FDS") != NULL);
	sdaemon_fini();
	CHECK(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL);
	CHECK(getenv("LISTEN_FDNAMES") == NULL);
}

static void
check_no_names(void)
{
	CHECK(sdaemon_count() == 2);
	CHECK(*sdaemon_name(0) == '\0' && *sdaemon_name(1) == '\0');
}

static void
check_one_name(void)
{
	CHECK(strcmp(sdaemon_name(0), "web") == 0);
	CHECK(*sdaemon_name(1) == '\0');
}

static void
check_none(void)
{
	CHECK(sdaemon_count() == 0);
}

static void
check_wrong_pid(void)
{
	CHECK(sdaemon_count() == 0);
}

static void
passed_sockets_have_names(void **state UNUSED)
{
	in_child("2", "web:admin.socket", check_two_names);
	in_child("2", NULL, check_no_names);
	in_child("2", "web", check_one_name);
	in_child("2", "web::", check_one_name);
}

static void
nonsense_is_no_socket(void **state UNUSED)
{
	static const char *const bad[] = { "0", "-1", "x", "", "99999999999" };
	size_t i;

	for (i = 0; i < nitems(bad); i++)
		in_child(bad[i], NULL, check_none);
}

static void
sockets_of_another_process_are_not_ours(void **state UNUSED)
{
	int status;
	pid_t child;

	child = fork();
	if (child == 0) {
		setenv("LISTEN_PID", "1", 1);
		setenv("LISTEN_FDS", "1", 1);
		sdaemon_init();
		check_wrong_pid();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int
notify_socket(char *where, size_t size)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, n;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n = snprintf(where, size, "@saola-notify-%d", getpid());
	memcpy(un.sun_path, where, n);
	un.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&un,
	    offsetof(struct sockaddr_un, sun_path) + n), 0);
	return fd;
}

static void
states_are_sent_to_whoever_listens(void **state UNUSED)
{
	char where[64], got[64] = "";
	int fd = notify_socket(where, sizeof(where)), status;
	pid_t child;

	child = fork();
	if (child == 0) {
		sdaemon_notify("nobody=1");
		setenv("NOTIFY_SOCKET", where, 1);
		sdaemon_init();
		sdaemon_notify("READY=%d\nSTATUS=fine", 1);
		sdaemon_fini();
		sdaemon_notify("late=1");
		CHECK(getenv("NOTIFY_SOCKET") == NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 19);
	assert_string_equal(got, "READY=1\nSTATUS=fine");
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	close(fd);
}

/* One message and the descriptor that came with it, -1 if none did. */
static int
take_message(int fd, char *text, size_t size)
{
	union {
		struct cmsghdr	head;
		char		room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	int got = -1;

	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && CMSG_FIRSTHDR(&m) != NULL)
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
	return got;
}

static void
descriptors_are_kept_and_given_back(void **state UNUSED)
{
	char where[64], text[128];
	int fd = notify_socket(where, sizeof(where)), status, got;
	struct stat a, b;
	pid_t child;

	child = fork();
	if (child == 0) {
		sdaemon_store(0, "nobody");
		setenv("NOTIFY_SOCKET", where, 1);
		sdaemon_init();
		sdaemon_store(fd, "saola.1");
		sdaemon_unstore("saola.1");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	got = take_message(fd, text, sizeof(text));
	assert_string_equal(text, "FDSTORE=1\nFDNAME=saola.1");
	assert_true(got != -1);
	assert_int_equal(fstat(fd, &a) | fstat(got, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(got);
	assert_int_equal(take_message(fd, text, sizeof(text)), -1);
	assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=saola.1");
	close(fd);
}

static void
check_watchdog(const char *usec, const char *pid, int64_t want)
{
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	CHECK(sdaemon_watchdog() == want);
}

static void
the_watchdog_is_asked_for_by_systemd(void **state UNUSED)
{
	char where[64], pid[16];
	int fd = notify_socket(where, sizeof(where)), status;
	pid_t child;

	child = fork();
	if (child == 0) {
		check_watchdog("1000", NULL, 0);
		setenv("NOTIFY_SOCKET", where, 1);
		sdaemon_init();
		snprintf(pid, sizeof(pid), "%d", getpid());
		check_watchdog("1000", NULL, 1000);
		check_watchdog("1000", pid, 1000);
		check_watchdog("1000", "1", 0);
		check_watchdog("0", NULL, 0);
		check_watchdog("-5", NULL, 0);
		check_watchdog("x", NULL, 0);
		unsetenv("WATCHDOG_USEC");
		CHECK(sdaemon_watchdog() == 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
}

/* A second fork, as of a master that another program follows. */
static void
check_pass(void)
{
	char pid[16];
	int status;
	pid_t child;

	setenv("WATCHDOG_PID", "1", 1);
	child = fork();
	if (child == 0) {
		sdaemon_pass();
		snprintf(pid, sizeof(pid), "%d", getpid());
		CHECK(strcmp(getenv("LISTEN_PID"), pid) == 0);
		CHECK(strcmp(getenv("WATCHDOG_PID"), pid) == 0);
		CHECK(strcmp(getenv("LISTEN_FDS"), "2") == 0);
		CHECK(fcntl(3, F_GETFD) == 0 && fcntl(4, F_GETFD) == 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(fcntl(3, F_GETFD) == FD_CLOEXEC);
}

static void
who_comes_after_us_gets_them_too(void **state UNUSED)
{
	in_child("2", "web:admin", check_pass);
}

static void
a_process_that_is_stopped_is_known(void **state UNUSED)
{
	int status;
	pid_t child;

	child = fork();
	if (child == 0)
		for (;;)
			pause();
	assert_false(proc_is_stopped(child));
	assert_false(proc_is_stopped(getpid()));
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(proc_is_stopped(child));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(proc_is_stopped(child));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passed_sockets_have_names),
		cmocka_unit_test(nonsense_is_no_socket),
		cmocka_unit_test(sockets_of_another_process_are_not_ours),
		cmocka_unit_test(states_are_sent_to_whoever_listens),
		cmocka_unit_test(descriptors_are_kept_and_given_back),
		cmocka_unit_test(the_watchdog_is_asked_for_by_systemd),
		cmocka_unit_test(who_comes_after_us_gets_them_too),
		cmocka_unit_test(a_process_that_is_stopped_is_known),
	};

	log_set_level(LOG_CRIT_);
	return cmocka_run_group_tests_name("sdaemon", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Sockets left by a predecessor, each in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "os/heir.h"
#include "os/listener.h"
#include "os/sdaemon.h"

#define CHECK(x)	do { if (!(x)) _exit(__LINE__ % 255 + 1); } while (0)

static char path[64];
static const struct listener_opts opts = {
	.backlog = 8, .mode = 0600, .owner = -1, .group = -1
};

static void
in_child(void (*check)(void))
{
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "/tmp/saola-heir-%d", getpid());
	child = fork();
	if (child == 0) {
		check();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	unlink(path);
}

static struct listener *
open_bind(const char *text)
{
	struct listener *l;
	struct err err;

	l = listener_open(text, &opts, &err);
	CHECK(l != NULL);
	return l;
}

static struct listener *
open_path(void)
{
	char text[80];

	snprintf(text, sizeof(text), "unix:%s", path);
	return open_bind(text);
}

static void
leave_by_env(const struct listener *const *ls, size_t n)
{
	struct buf map;
	size_t i;

	buf_init(&map, 1024);
	for (i = 0; i < n; i++)
		CHECK(heir_add(&map, ls[i]->fd, &ls[i]->file) == 0);
	CHECK(buf_add(&map, "", 1) == 0);
	setenv(HEIR_ENV, buf_head(&map), 1);
	buf_fini(&map);
	heir_init();
	CHECK(getenv(HEIR_ENV) == NULL);
}

/* Whether somebody who connects to a is accepted at b. */
static bool
leads_to(const struct listener *a, const struct listener *b)
{
	int fd = socket(a->sock.sa.sa_family, SOCK_STREAM, 0), peer;
	bool yes;

	CHECK(connect(fd, &a->sock.sa, a->len) == 0);
	fcntl(b->fd, F_SETFL, O_NONBLOCK);
	peer = accept(b->fd, NULL, NULL);
	yes = peer != -1;
	close(fd);
	close(peer);
	return yes;
}

static void
check_env(void)
{
	struct listener *was[] = { open_path(), open_bind("127.0.0.1:0"),
	    open_bind("[::1]:0"), open_bind("unix:@saola-heir-test") };
	struct listener *now;
	char text[160];
	size_t i;

	leave_by_env((const struct listener *const *)was, nitems(was));
	for (i = 0; i < nitems(was); i++) {
		addr_format(&was[i]->sock, was[i]->len, text, sizeof(text));
		now = open_bind(text);
		CHECK(now->fd == was[i]->fd && now->shared);
		CHECK(leads_to(was[i], now));
		/* Who left it is alive: it is not ours to remove. */
		if (i == 0)
			listener_close(now);
	}
	CHECK(access(path, F_OK) == 0);
	heir_fini();
}

static void
check_owned(void)
{
	struct listener *was = open_path(), *now;

	leave_by_env((const struct listener *const *)&was, 1);
	listener_leave(was);
	now = open_path();
	CHECK(now->fd == was->fd);
	listener_own(now);
	CHECK(!now->shared);
	listener_close(now);
	CHECK(access(path, F_OK) == -1);
}

static void
check_left(void)
{
	struct listener *l = open_path();

	listener_leave(l);
	listener_close(l);
	CHECK(access(path, F_OK) == 0);
}

/* Somebody else's file is at the path now. */
static void
check_replaced(void)
{
	struct listener *was = open_path(), *now;
	int fd = was->fd;

	CHECK(unlink(path) == 0);
	leave_by_env((const struct listener *const *)&was, 1);
	now = open_path();
	CHECK(now->fd != fd && !now->shared);
	listener_close(now);
	heir_fini();
	CHECK(fcntl(fd, F_GETFD) == -1);
}

/* As systemd passes what is in its store. */
static void
check_store(void)
{
	struct listener *was = open_path(), *now;
	char name[HEIR_NAME], pid[16];

	heir_name(name, sizeof(name), was->fd, &was->file);
	CHECK(heir_is_name(name) && strchr(name, ':') == NULL);
	CHECK(!heir_is_name("web"));
	CHECK(dup2(was->fd, 3) == 3);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", name, 1);
	sdaemon_init();
	heir_init();
	now = open_path();
	CHECK(!now->shared && now->fd > 3 && leads_to(was, now));
	/* Its first number is kept by nothing. */
	CHECK(fcntl(3, F_GETFD) == FD_CLOEXEC);
	CHECK(lseek(3, 0, SEEK_SET) == 0);
	listener_close(now);
	CHECK(access(path, F_OK) == -1);
}

static void
check_nonsense(void)
{
	static const char *const bad[] = {
		"", "x", "5", "5:", "5:1", "-1:1:1", "5:x:y", ",,,", "99:1:1",
		"0:1:1,1:1:1,2:0:0", "99999999999999999999:1:1",
		"3:99999999999999999999999:1"
	};
	struct heir_file file;
	struct addr a;
	struct err err;
	bool shared;
	size_t i;

	CHECK(addr_parse("127.0.0.1:1", &a, &err) == 0);
	for (i = 0; i < nitems(bad); i++) {
		setenv(HEIR_ENV, bad[i], 1);
		heir_init();
		CHECK(heir_take(&a, &file, &shared) == -1);
		heir_fini();
	}
	CHECK(fcntl(0, F_GETFD) != -1 || fcntl(1, F_GETFD) != -1);
}

static void
the_variable_leaves_every_kind(void **state UNUSED)
{
	in_child(check_env);
}

static void
the_last_owner_removes_the_file(void **state UNUSED)
{
	in_child(check_owned);
	in_child(check_left);
}

static void
a_path_with_another_file_is_bound_anew(void **state UNUSED)
{
	in_child(check_replaced);
}

static void
what_systemd_kept_is_ours(void **state UNUSED)
{
	in_child(check_store);
}

static void
nonsense_leaves_nothing(void **state UNUSED)
{
	in_child(check_nonsense);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_variable_leaves_every_kind),
		cmocka_unit_test(the_last_owner_removes_the_file),
		cmocka_unit_test(a_path_with_another_file_is_bound_anew),
		cmocka_unit_test(what_systemd_kept_is_ours),
		cmocka_unit_test(nonsense_leaves_nothing),
	};

	log_set_level(LOG_CRIT_);
	return cmocka_run_group_tests_name("heir", tests, NULL, NULL);
}

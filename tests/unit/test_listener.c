/* SPDX-License-Identifier: MIT */
/* Listening sockets: made with the right mode, taken over, given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "os/listener.h"

static char dir[] = "/tmp/saola-listener-XXXXXX";
static char bind_text[80], path[64];

static const struct listener_opts plain = {
	.backlog = -1, .mode = 0600, .owner = -1, .group = -1
};

static int
setup(void **state UNUSED)
{
	log_set_level(LOG_CRIT_);
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(bind_text, sizeof(bind_text), "unix:%s", path);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	return rmdir(dir);	/* which also says that nothing was left */
}

static struct listener *
must_open(const char *text)
{
	struct err err;
	struct listener *l = listener_open(text, &plain, &err);

	if (l == NULL)
		fail_msg("%s", err.text);
	return l;
}

static void
must_refuse(const char *text, const char *why)
{
	struct err err;

	assert_null(listener_open(text, &plain, &err));
	if (strstr(err.text, why) == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(err.code, 1);
}

/* 0 or errno. */
static int
try_connect(const struct listener *l)
{
	int fd, rc;

	fd = socket(l->sock.sa.sa_family, SOCK_STREAM, 0);
	rc = connect(fd, &l->sock.sa, l->len) == 0 ? 0 : errno;
	close(fd);
	return rc;
}

static void
a_unix_socket_has_its_mode_whatever_the_umask(void **state UNUSED)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0777, 0 };
	struct listener_opts opts = plain;
	struct listener *l;
	struct stat st;
	struct err err;
	mode_t was = umask(077);
	size_t i;

	for (i = 0; i < nitems(modes); i++) {
		opts.mode = modes[i];
		l = listener_open(bind_text, &opts, &err);
		assert_non_null(l);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, modes[i]);
		listener_close(l);
	}
	assert_int_equal(umask(was), 077);
}

static void
it_accepts_and_is_unlinked_at_close(void **state UNUSED)
{
	struct listener *l = must_open(bind_text);

	assert_int_equal(try_connect(l), 0);
	assert_true(fcntl(l->fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(l->fd, F_GETFL) & O_NONBLOCK);
	listener_close(l);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_stale_socket_is_replaced_a_live_one_refused(void **state UNUSED)
{
	struct listener *l = must_open(bind_text);

	must_refuse(bind_text, "in use");
	assert_int_equal(try_connect(l), 0);
	listener_drop(l);			/* as a crash would */
	assert_int_equal(access(path, F_OK), 0);
	l = must_open(bind_text);
	assert_int_equal(try_connect(l), 0);
	listener_close(l);
}

static void
a_full_queue_is_not_a_stale_socket(void **state UNUSED)
{
	struct listener_opts opts = plain;
	struct listener *l;
	struct err err;
	int fds[8];
	size_t i;

	opts.backlog = 0;
	l = listener_open(bind_text, &opts, &err);
	assert_non_null(l);
	for (i = 0; i < nitems(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[i], &l->sock.sa, l->len) == -1)
			assert_int_equal(errno, EAGAIN);
	}
	must_refuse(bind_text, "in use");
	for (i = 0; i < nitems(fds); i++)
		close(fds[i]);
	listener_close(l);
}

static void
a_file_that_is_no_socket_is_left_alone(void **state UNUSED)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_not_equal(fd, -1);
	close(fd);
	must_refuse(bind_text, "not a socket");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere", path), 0);
	must_refuse(bind_text, "not a socket");
	assert_int_equal(unlink(path), 0);
}

static void
only_the_file_we_made_is_unlinked(void **state UNUSED)
{
	struct listener *l = must_open(bind_text), *other;

	assert_int_equal(unlink(path), 0);
	other = must_open(bind_text);
	listener_close(l);
	assert_int_equal(access(path, F_OK), 0);
	listener_close(other);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_missing_directory_is_named(void **state UNUSED)
{
	must_refuse("unix:/nowhere/at/all", "directory does not exist");
}

static void
abstract_sockets_leave_no_file(void **state UNUSED)
{
	struct listener *l;
	char text[64];

	snprintf(text, sizeof(text), "unix:@saola-test-%d", getpid());
	l = must_open(text);
	assert_int_equal(try_connect(l), 0);
	must_refuse(text, "in use");
	listener_close(l);
	l = must_open(text);
	listener_close(l);
}

static void
tcp_both_families_and_in_use(void **state UNUSED)
{
	struct listener *four = must_open("127.0.0.1:0"), *six;
	struct err err;
	char text[64];

	assert_int_equal(try_connect(four), 0);
	addr_format(&four->sock, four->len, text, sizeof(text));
	must_refuse(text, "in use");
	listener_close(four);
	six = listener_open("[::1]:0", &plain, &err);
	if (six == NULL)		/* a machine without IPv6 */
		return;
	assert_int_equal(try_connect(six), 0);
	listener_close(six);
}

static void
passed_descriptors_are_used_and_never_closed(void **state UNUSED)
{
	union addr_sock s = { .sa.sa_family = AF_UNIX };
	struct listener *l;
	char text[32];
	int fd;

	snprintf(s.un.sun_path, sizeof(s.un.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, &s.sa, sizeof(s.un)), 0);
	snprintf(text, sizeof(text), "fd://%d", fd);
	l = must_open(text);
	assert_true(l->inherited);
	assert_int_equal(try_connect(l), 0);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	listener_close(l);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unlink(path);
	must_refuse(text, "not open");
}

static void
descriptors_of_other_kinds_are_refused(void **state UNUSED)
{
	char text[32];
	int fd;

	fd = open("/dev/null", O_RDONLY);
	snprintf(text, sizeof(text), "fd://%d", fd);
	must_refuse(text, "not a socket");
	close(fd);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	must_refuse(text, "not a stream socket");
	close(fd);
	must_refuse("fd:nobody", "LISTEN_FDNAMES");
}

static bool
allows(const struct listener *l, const char *v4)
{
	union addr_sock s = { .in.sin_family = AF_INET };

	inet_pton(AF_INET, v4, &s.in.sin_addr);
	return listener_allows(l, &s.sa);
}

static void
tcp_takes_loopback_peers_unless_told(void **state UNUSED)
{
	struct sockaddr un = { .sa_family = AF_UNIX };
	struct listener_opts opts = plain;
	struct strlist nets = { 0 };
	struct listener *l = must_open("127.0.0.1:0");
	struct err err;

	assert_true(allows(l, "127.0.0.1"));
	assert_false(allows(l, "192.0.2.1"));
	assert_true(listener_allows(l, &un));
	strlist_add(&nets, "192.0.2.0/24");
	opts.allow = &nets;
	assert_int_equal(listener_update(l, &opts, &err), 0);
	assert_true(allows(l, "192.0.2.1"));
	assert_false(allows(l, "127.0.0.1"));
	strlist_add(&nets, "example");
	assert_int_equal(listener_update(l, &opts, &err), -1);
	assert_non_null(strstr(err.text, "allow_from: example"));
	strlist_fini(&nets);
	listener_close(l);
}

static void
the_length_of_a_tcp_queue_is_known(void **state UNUSED)
{
	struct listener *l = must_open("127.0.0.1:0");
	int fds[3], i;

	assert_int_equal(listener_queued(l), 0);
	for (i = 0; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fds[i], &l->sock.sa, l->len), 0);
		assert_int_equal(listener_queued(l), i + 1);
	}
	close(accept(l->fd, NULL, NULL));
	assert_int_equal(listener_queued(l), 2);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	listener_close(l);
	l = must_open(bind_text);
	assert_true(listener_queued(l) > 0);
	l->activated = true;
	assert_int_equal(listener_queued(l), 0);
	listener_close(l);
}

static void
an_update_changes_the_mode_of_our_file(void **state UNUSED)
{
	struct listener *l = must_open(bind_text);
	struct listener_opts opts = plain;
	struct stat st;
	struct err err;

	opts.mode = 0666;
	assert_int_equal(listener_update(l, &opts, &err), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	listener_close(l);
}

/* One that is shared may be used by who cannot wait in accept. */
static void
it_does_not_block_once_that_was_asked(void **state UNUSED)
{
	struct listener *l = must_open(bind_text);
	struct listener_opts opts = plain;
	struct err err;

	assert_int_equal(fcntl(l->fd, F_GETFL) & O_NONBLOCK, 0);
	opts.nonblock = true;
	assert_int_equal(listener_update(l, &opts, &err), 0);
	assert_int_equal(fcntl(l->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(listener_update(l, &plain, &err), 0);
	assert_int_equal(fcntl(l->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	listener_close(l);
}

static void
an_owner_is_given_or_the_reason_why_not(void **state UNUSED)
{
	struct listener_opts opts = plain;
	struct listener *l;
	struct stat st;
	struct err err;

	opts.owner = 12345;
	opts.group = 54321;
	l = listener_open(bind_text, &opts, &err);
	if (geteuid() != 0) {
		assert_null(l);
		assert_non_null(strstr(err.text, "owner"));
		return;
	}
	assert_non_null(l);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	listener_close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unix_socket_has_its_mode_whatever_the_umask),
		cmocka_unit_test(it_accepts_and_is_unlinked_at_close),
		cmocka_unit_test(a_stale_socket_is_replaced_a_live_one_refused),
		cmocka_unit_test(a_full_queue_is_not_a_stale_socket),
		cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
		cmocka_unit_test(only_the_file_we_made_is_unlinked),
		cmocka_unit_test(a_missing_directory_is_named),
		cmocka_unit_test(abstract_sockets_leave_no_file),
		cmocka_unit_test(tcp_both_families_and_in_use),
		cmocka_unit_test(passed_descriptors_are_used_and_never_closed),
		cmocka_unit_test(descriptors_of_other_kinds_are_refused),
		cmocka_unit_test(tcp_takes_loopback_peers_unless_told),
		cmocka_unit_test(the_length_of_a_tcp_queue_is_known),
		cmocka_unit_test(an_update_changes_the_mode_of_our_file),
		cmocka_unit_test(it_does_not_block_once_that_was_asked),
		cmocka_unit_test(an_owner_is_given_or_the_reason_why_not),
	};

	return cmocka_run_group_tests_name("listener", tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/* Messages of exact size, from a pid that the kernel vouches for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "os/channel.h"

static int near, far;

static int
setup(void **state UNUSED)
{
	return channel_open(&near, &far);
}

static int
teardown(void **state UNUSED)
{
	close(near);
	return close(far);
}

static void
a_message_comes_with_its_senders_pid(void **state UNUSED)
{
	uint64_t msg = 42, got = 0;
	pid_t from = 0, pid;
	int status;

	pid = fork();
	if (pid == 0)
		_exit(channel_post(far, &msg, sizeof(msg)) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 1);
	assert_int_equal(got, 42);
	assert_int_equal(from, pid);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), -1);
}

static void
other_sizes_are_dropped(void **state UNUSED)
{
	char bytes[64] = "x";
	uint64_t got;
	pid_t from;

	assert_int_equal(channel_send(far, bytes, 1), 0);
	assert_int_equal(channel_send(far, bytes, 0), 0);
	assert_int_equal(channel_send(far, bytes, 9), 0);
	assert_int_equal(channel_send(far, bytes, 64), 0);
	assert_int_equal(channel_send(far, bytes, 8), 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 0);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 1);
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), -1);
}

static void
descriptors_never_arrive(void **state UNUSED)
{
	union {
		struct cmsghdr	head;
		char		room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	uint64_t msg = 1, got;
	struct iovec iov = { &msg, sizeof(msg) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd = open("/dev/null", O_RDONLY), next;
	pid_t from;

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	assert_int_equal(sendmsg(far, &m, 0), sizeof(msg));
	assert_int_equal(channel_take(near, &got, sizeof(got), &from), 1);
	assert_int_equal(from, getpid());
	next = open("/dev/null", O_RDONLY);
	assert_int_equal(next, fd + 1);
	close(next);
	close(fd);
}

static void
a_full_channel_says_so_to_one_that_cannot_wait(void **state UNUSED)
{
	char bytes[1024] = "";
	pid_t from;
	int sent = 0, got = 0;

	while (channel_send(near, bytes, sizeof(bytes)) == 0)
		sent++;
	assert_true(sent > 30);		/* more than there are orders */
	while (channel_take(far, bytes, sizeof(bytes), &from) != -1)
		got++;
	assert_int_equal(got, sent);
}

static void
the_end_of_the_master_is_a_hangup(void **state UNUSED)
{
	struct pollfd p = { .events = 0 };
	uint64_t msg = 1;
	int a, b;

	assert_int_equal(channel_open(&a, &b), 0);
	p.fd = b;
	assert_int_equal(channel_send(a, &msg, sizeof(msg)), 0);
	assert_int_equal(poll(&p, 1, 0), 0);	/* an order does not wake */
	close(a);
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_true(p.revents & POLLHUP);
	assert_int_equal(channel_post(b, &msg, sizeof(msg)), -1);
	close(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_with_its_senders_pid),
		cmocka_unit_test(other_sizes_are_dropped),
		cmocka_unit_test(descriptors_never_arrive),
		cmocka_unit_test(
		    a_full_channel_says_so_to_one_that_cannot_wait),
		cmocka_unit_test(the_end_of_the_master_is_a_hangup),
	};

	return cmocka_run_group_tests_name("channel", tests, setup, teardown);
}

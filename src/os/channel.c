/* SPDX-License-Identifier: MIT */
/* Messages with the sender's process id. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/channel.h"

/* Room for the credentials and for nothing else: no descriptor fits. */
union channel_control {
	struct cmsghdr	head;
	char		room[CMSG_SPACE(sizeof(struct ucred))];
};

int
channel_open(int *near, int *far)
{
	int fds[2], one = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	if (setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &one,
	    sizeof(one)) == -1) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	*near = fds[0];
	*far = fds[1];
	return 0;
}

static int
channel_put(int fd, const void *msg, size_t size, int flags)
{
	ssize_t n;

	do
		n = send(fd, msg, size, flags | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
channel_send(int fd, const void *msg, size_t size)
{
	return channel_put(fd, msg, size, MSG_DONTWAIT);
}

int
channel_post(int fd, const void *msg, size_t size)
{
	return channel_put(fd, msg, size, 0);
}

static pid_t
channel_sender(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct ucred cred;

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len != CMSG_LEN(sizeof(cred)))
		return 0;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	return cred.pid;
}

int
channel_take(int fd, void *buf, size_t size, pid_t *sender)
{
	union channel_control control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n;

	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	*sender = channel_sender(&m);
	return n == (ssize_t)size && (m.msg_flags & MSG_TRUNC) == 0 &&
	    *sender > 0;
}

/* SPDX-License-Identifier: MIT */
/* Accepting: who may connect, and what is set on what was accepted. */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/accept.h"

/* Chunks of a stream must not wait for the acknowledgement of the last one. */
struct conn_from *
accept_init(struct listener *const *listeners, size_t n)
{
	struct conn_from *from = xcalloc(n, sizeof(*from));
	const int one = 1;
	size_t i;

	for (i = 0; i < n; i++) {
		conn_from_init(&from[i], listeners[i]);
		if (listeners[i]->sock.sa.sa_family != AF_UNIX)
			setsockopt(listeners[i]->fd, IPPROTO_TCP, TCP_NODELAY,
			    &one, sizeof(one));
	}
	return from;
}

static void
accept_refuse(const struct conn_from *from, const union addr_sock *sock,
    socklen_t len, int fd)
{
	static struct log_rate rate;
	char peer[128];

	addr_format(sock, len, peer, sizeof(peer));
	log_rated(&rate, LOG_WARN_, "%s: connection from %s refused: not in "
	    "allow_from", from->name, peer);
	close(fd);
}

struct conn *
accept_conn(struct conns *cs, const struct conn_from *from, int *error)
{
	const struct listener *l = from->listener;
	bool local = l->sock.sa.sa_family == AF_UNIX;
	union addr_sock sock;
	socklen_t len = sizeof(sock);
	int fd;

	fd = accept4(l->fd, local ? NULL : &sock.sa, local ? NULL : &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	*error = fd == -1 ? errno : 0;
	cs->now_ns = clock_ns();
	if (fd == -1)
		return NULL;
	if (!local && !listener_allows(l, &sock.sa)) {
		accept_refuse(from, &sock, len, fd);
		return NULL;
	}
	return conn_new(cs, fd, from, local ? NULL : &sock.sa);
}

bool
accept_must_rest(int error)
{
	static struct log_rate rate;

	if (error == 0 || error == EINTR || error == EAGAIN ||
	    error == ECONNABORTED)
		return false;
	log_rated(&rate, LOG_ERROR_, "accept: %s", strerror(error));
	return true;
}

/* SPDX-License-Identifier: MIT */
/* Find a master, connect, ask. */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "os/addr.h"
#include "os/ctlpath.h"

#define CLIENT_PATIENCE_S	10

/* -1 and errno. */
static int
client_open(const struct addr *a)
{
	int fd, saved;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, &a->sock.sa, a->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
client_try(const char *path, struct err *err)
{
	struct addr a;
	char *text;
	int fd = -1;

	xasprintf(&text, "unix:%s", path);
	if (addr_parse(text, &a, err) == -1)
		err->code = CTL_USAGE;
	else if ((fd = client_open(&a)) == -1)
		err_setc(err, CTL_NOBODY, "%s: %s", path, errno ==
		    ECONNREFUSED ? "nobody listens there any more" :
		    strerror(errno));
	free(text);
	return fd;
}

/* Those that are alive: their paths, and the last one's descriptor. */
static int
client_probe(const struct strlist *paths, struct strlist *alive,
    struct err *err)
{
	int fd = -1, one;
	size_t i;

	for (i = 0; i < paths->n; i++) {
		one = client_try(paths->v[i], err);
		if (one == -1)
			continue;
		strlist_add(alive, paths->v[i]);
		if (fd != -1)
			close(fd);
		fd = one;
	}
	return fd;
}

static void
client_list(const struct strlist *alive, struct err *err)
{
	struct buf text;
	size_t i;
	int rc = 0;

	buf_init(&text, sizeof(err->text));
	for (i = 0; i < alive->n && rc == 0; i++)
		rc = buf_printf(&text, "\n\t-s %s", alive->v[i]);
	err_setc(err, CTL_USAGE, "there are several instances, choose one:"
	    "%.*s", (int)buf_len(&text), buf_len(&text) > 0 ?
	    buf_head(&text) : "");
	buf_fini(&text);
}

static int
client_find(struct err *err)
{
	struct strlist paths = { 0 }, alive = { 0 };
	int fd;

	ctlpath_find(&paths);
	err_setc(err, CTL_NOBODY, "no instance found; say where its control "
	    "socket is with -s");
	fd = client_probe(&paths, &alive, err);
	if (alive.n > 1) {
		client_list(&alive, err);
		close(fd);
		fd = -1;
	}
	strlist_fini(&paths);
	strlist_fini(&alive);
	return fd;
}

int
client_connect(const char *path, struct err *err)
{
	return path != NULL ? client_try(path, err) : client_find(err);
}

static int
client_send(int fd, const char *text, size_t len, struct err *err)
{
	ssize_t n;

	while (len > 0) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_setc(err, CTL_NOBODY, "control socket: %s",
			    strerror(errno));
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 1: there was more; 0: it was the end; -1 with a sentence. */
static int
client_read(int fd, struct buf *answer, struct err *err)
{
	char bytes[8192];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_setc(err, CTL_NOBODY, "control socket: %s",
		    errno == EAGAIN ? "no answer" : strerror(errno));
	if (n > 0 && buf_add(answer, bytes, (size_t)n) == -1)
		return err_setc(err, CTL_NOBODY, "the answer is too long");
	return n > 0;
}

int
client_ask(int fd, const char *question, bool patient, struct buf *answer,
    struct err *err)
{
	const struct timeval tv = { .tv_sec = CLIENT_PATIENCE_S };
	int more;

	if (!patient)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (client_send(fd, question, strlen(question), err) == -1 ||
	    client_send(fd, "\n", 1, err) == -1)
		return -1;
	do {
		more = client_read(fd, answer, err);
		if (more == -1)
			return -1;
		if (buf_len(answer) > 0 && answer->data[answer->end - 1] ==
		    '\n') {
			answer->end--;
			return 0;
		}
	} while (more);
	return err_setc(err, CTL_NOBODY, "the master ended before it had "
	    "answered");
}

void
client_wait_end(int fd)
{
	char bytes[256];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), 0);
	while (n > 0 || (n == -1 && errno == EINTR));
}

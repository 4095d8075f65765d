/* SPDX-License-Identifier: MIT */

/*
 * The kernel's floor: a responder that does for FastCGI and uwsgi what no
 * server can leave out, and nothing else.  It accepts, receives, parses the
 * parameters and answers with one writev; there is no Python, no log, no
 * timer.  Connections it may keep stand in an epoll set; while there are none
 * it blocks in accept.  Peers are trusted to be the load generator.
 */

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <fastcgi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLOOR_IN_SIZE	(128 * 1024)
#define FLOOR_PARAMS	128
#define FLOOR_EVENTS	128
#define FLOOR_BACKLOG	1024

#define FLOOR_HEAD	"Content-Type: text/plain\r\nContent-Length: 14\r\n"
#define FLOOR_BODY	"Hello, world!\n"
#define FLOOR_FCGI_HEAD	FLOOR_HEAD "Status: 200 OK\r\n\r\n"
#define FLOOR_UWSGI_HEAD "HTTP/1.1 200 OK\r\n" FLOOR_HEAD "\r\n"

struct floor_param {
	const unsigned char	*name;
	const unsigned char	*value;
	size_t			 namelen;
	size_t			 valuelen;
};

static struct {
	int			 listener;
	int			 epfd;
	unsigned int		 held;	/* connections in the epoll set */
	unsigned int		 nparams;
	struct floor_param	 params[FLOOR_PARAMS];
	unsigned char		 in[FLOOR_IN_SIZE];
} F;

static size_t
floor_length(const unsigned char **p)
{
	const unsigned char *q = *p;

	if (q[0] < 128) {
		*p += 1;
		return q[0];
	}
	*p += 4;
	return (size_t)(q[0] & 0x7f) << 24 | q[1] << 16 | q[2] << 8 | q[3];
}

static void
floor_parse_fcgi(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	struct floor_param *param;

	for (F.nparams = 0; p < end; F.nparams++) {
		if (F.nparams == FLOOR_PARAMS)
			errx(1, "too many parameters");
		param = &F.params[F.nparams];
		param->namelen = floor_length(&p);
		param->valuelen = floor_length(&p);
		param->name = p;
		param->value = p + param->namelen;
		p = param->value + param->valuelen;
	}
}

static void
floor_parse_uwsgi(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	struct floor_param *param;

	for (F.nparams = 0; p < end; F.nparams++) {
		if (F.nparams == FLOOR_PARAMS)
			errx(1, "too many parameters");
		param = &F.params[F.nparams];
		param->namelen = p[0] | p[1] << 8;
		param->name = p + 2;
		p = param->name + param->namelen;
		param->valuelen = p[0] | p[1] << 8;
		param->value = p + 2;
		p = param->value + param->valuelen;
	}
}

/*
 * Walk the records of one request.  Returns true once its STDIN has ended;
 * the parameters stand in one record, as nginx sends them.
 */
static bool
floor_decode_fcgi(size_t n, bool *keep)
{
	const unsigned char *p = F.in, *end = F.in + n;
	size_t len;
	FCGI_Header h;

	while ((size_t)(end - p) >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		len = h.contentLengthB1 << 8 | h.contentLengthB0;
		p += sizeof(h);
		if ((size_t)(end - p) < len + h.paddingLength)
			return false;
		if (h.type == FCGI_BEGIN_REQUEST)
			*keep = p[2] & FCGI_KEEP_CONN;
		else if (h.type == FCGI_PARAMS && len > 0)
			floor_parse_fcgi(p, len);
		else if (h.type == FCGI_STDIN && len == 0)
			return true;
		p += len + h.paddingLength;
	}
	return false;
}

static bool
floor_decode_uwsgi(size_t n)
{
	size_t len;

	if (n < 4)
		return false;
	len = F.in[1] | F.in[2] << 8;
	if (n < 4 + len)
		return false;
	floor_parse_uwsgi(F.in + 4, len);
	return true;
}

static bool
floor_decode(size_t n, bool *keep)
{
	*keep = false;
	if (F.in[0] == FCGI_VERSION_1)
		return floor_decode_fcgi(n, keep);
	return floor_decode_uwsgi(n);
}

static void
floor_write(int fd, const struct iovec *iov, int n)
{
	/* A peer that left is met by the next recv. */
	if (writev(fd, iov, n) == -1 && errno != EPIPE && errno != ECONNRESET)
		err(1, "writev");
}

static void
floor_answer_fcgi(int fd)
{
	static const size_t len = sizeof(FLOOR_FCGI_HEAD FLOOR_BODY) - 1;
	FCGI_Header h = {
		.version = FCGI_VERSION_1, .type = FCGI_STDOUT,
		.requestIdB0 = 1, .contentLengthB0 = len,
	};
	struct {
		FCGI_Header		out;
		FCGI_EndRequestRecord	end;
	} tail = {
		.out = { .version = FCGI_VERSION_1, .type = FCGI_STDOUT,
		    .requestIdB0 = 1 },
		.end.header = { .version = FCGI_VERSION_1,
		    .type = FCGI_END_REQUEST, .requestIdB0 = 1,
		    .contentLengthB0 = sizeof(FCGI_EndRequestBody) },
	};
	char head[] = FLOOR_FCGI_HEAD, body[] = FLOOR_BODY;
	struct iovec iov[] = {
		{ &h, sizeof(h) },
		{ head, sizeof(head) - 1 },
		{ body, sizeof(body) - 1 },
		{ &tail, sizeof(tail) },
	};

	floor_write(fd, iov, 4);
}

static void
floor_answer_uwsgi(int fd)
{
	char head[] = FLOOR_UWSGI_HEAD, body[] = FLOOR_BODY;
	struct iovec iov[] = {
		{ head, sizeof(head) - 1 },
		{ body, sizeof(body) - 1 },
	};

	floor_write(fd, iov, 2);
}

/* Serve one request; returns true if the peer wants to go on. */
static bool
floor_serve(int fd)
{
	size_t have = 0;
	bool keep;
	ssize_t n;

	do {
		if (have == sizeof(F.in))
			errx(1, "request longer than %zu bytes", have);
		n = recv(fd, F.in + have, sizeof(F.in) - have, 0);
		if (n <= 0)
			return false;
		have += n;
	} while (!floor_decode(have, &keep));
	if (F.in[0] == FCGI_VERSION_1)
		floor_answer_fcgi(fd);
	else
		floor_answer_uwsgi(fd);
	return keep;
}

static void
floor_watch(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(F.epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
floor_accept(void)
{
	int fd;

	fd = accept4(F.listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd == -1)
		err(1, "accept4");
	if (floor_serve(fd)) {
		floor_watch(fd);
		F.held++;
	} else
		close(fd);
}

static void
floor_wait(void)
{
	struct epoll_event ev[FLOOR_EVENTS];
	int i, n;

	n = epoll_wait(F.epfd, ev, FLOOR_EVENTS, -1);
	if (n == -1)
		err(1, "epoll_wait");
	for (i = 0; i < n; i++) {
		if (ev[i].data.fd == F.listener)
			floor_accept();
		else if (!floor_serve(ev[i].data.fd)) {
			close(ev[i].data.fd);
			F.held--;
		}
	}
}

static void
floor_listen(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		errx(2, "%s: path too long", path);
	strcpy(un.sun_path, path);
	unlink(path);
	F.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (F.listener == -1 ||
	    bind(F.listener, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(F.listener, FLOOR_BACKLOG) == -1)
		err(1, "%s", path);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: floor SOCKET\n", stderr);
		return 2;
	}
	floor_listen(argv[1]);
	F.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (F.epfd == -1)
		err(1, "epoll_create1");
	floor_watch(F.listener);
	for (;;) {
		if (F.held == 0)
			floor_accept();
		else
			floor_wait();
	}
}

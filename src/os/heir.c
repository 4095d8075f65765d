/* SPDX-License-Identifier: MIT */
/* The sockets of a predecessor. */
#include <sys/stat.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/heir.h"
#include "os/sdaemon.h"

#define HEIR_PREFIX	"saola."

struct heir {
	int			 fd;	/* -1: taken */
	union addr_sock		 sock;
	socklen_t		 len;
	struct heir_file	 file;
	bool			 shared;
};

static struct {
	struct heir	*v;
	size_t		 n;
} heirs;

/* Whatever is not a listening socket was closed since. */
static bool
heir_look(struct heir *h)
{
	int listens = 0;
	socklen_t n = sizeof(listens);

	h->len = sizeof(h->sock);
	return getsockopt(h->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0
	    && listens && getsockname(h->fd, &h->sock.sa, &h->len) == 0;
}

static bool
heir_keep(int fd, const struct heir_file *file, bool shared)
{
	struct heir h = { .fd = fd, .file = *file, .shared = shared };

	if (!heir_look(&h))
		return false;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	heirs.v = xreallocarray(heirs.v, heirs.n + 1, sizeof(*heirs.v));
	heirs.v[heirs.n++] = h;
	return true;
}

/* ":INO:DEV", as heir_add and heir_name write it; what follows it. */
static const char *
heir_parse_file(const char *text, struct heir_file *file)
{
	uint64_t ino, dev;
	int used = 0;

	if (sscanf(text, "%*1[:.]%" SCNu64 "%*1[:.]%" SCNu64 "%n", &ino, &dev,
	    &used) != 2 || used == 0)
		return NULL;
	file->ino = (ino_t)ino;
	file->dev = (dev_t)dev;
	return text + used;
}

static void
heir_read_env(void)
{
	const char *text = getenv(HEIR_ENV);
	struct heir_file file;
	int fd, used;

	while (text != NULL && sscanf(text, "%d%n", &fd, &used) == 1) {
		text = heir_parse_file(text + used, &file);
		if (text == NULL)
			break;
		heir_keep(fd, &file, true);
		text += *text == ',';
	}
	unsetenv(HEIR_ENV);
}

/*
 * The number a stored socket came with stays taken, by nothing: it is passed on
 * as such when this process is replaced, and must not by then be another file.
 */
static void
heir_move(int stored, const struct heir_file *file)
{
	int fd = fcntl(stored, F_DUPFD_CLOEXEC, 0), null;

	if (fd == -1 || !heir_keep(fd, file, false)) {
		close(fd);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		return;
	dup3(null, stored, O_CLOEXEC);
	close(null);
}

static void
heir_read_store(void)
{
	const char *text;
	struct heir_file file;
	size_t i;

	for (i = 0; i < sdaemon_count(); i++) {
		if (!heir_is_name(sdaemon_name(i)))
			continue;
		text = strchr(sdaemon_name(i) + strlen(HEIR_PREFIX), '.');
		if (text != NULL && heir_parse_file(text, &file) != NULL)
			heir_move(sdaemon_fd(i), &file);
	}
}

void
heir_init(void)
{
	heir_read_env();
	heir_read_store();
}

static bool
heir_has_file(const struct heir *h, const struct addr *a)
{
	struct stat st;

	return a->kind != ADDR_UNIX ||
	    (lstat(a->sock.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_ino == h->file.ino && st.st_dev == h->file.dev);
}

/* As the kernel gives it back; a path may have lost its last NUL. */
static bool
heir_has_addr(const struct heir *h, const struct addr *a)
{
	if (h->sock.sa.sa_family != a->sock.sa.sa_family)
		return false;
	switch (a->kind) {
	case ADDR_UNIX:
		return strncmp(h->sock.un.sun_path, a->sock.un.sun_path,
		    sizeof(a->sock.un.sun_path)) == 0;
	case ADDR_ABSTRACT:
		return h->len == a->len &&
		    memcmp(&h->sock, &a->sock, a->len) == 0;
	default:
		break;
	}
	if (a->sock.sa.sa_family == AF_INET)
		return h->sock.in.sin_port == a->sock.in.sin_port &&
		    h->sock.in.sin_addr.s_addr == a->sock.in.sin_addr.s_addr;
	return h->sock.in6.sin6_port == a->sock.in6.sin6_port &&
	    h->sock.in6.sin6_scope_id == a->sock.in6.sin6_scope_id &&
	    memcmp(&h->sock.in6.sin6_addr, &a->sock.in6.sin6_addr,
	    sizeof(a->sock.in6.sin6_addr)) == 0;
}

int
heir_take(const struct addr *a, struct heir_file *file, bool *shared)
{
	struct heir *h;
	int fd;

	for (h = heirs.v; h < heirs.v + heirs.n; h++) {
		if (h->fd == -1 || !heir_has_addr(h, a) ||
		    !heir_has_file(h, a))
			continue;
		fd = h->fd;
		h->fd = -1;
		*file = h->file;
		*shared = h->shared;
		return fd;
	}
	return -1;
}

void
heir_fini(void)
{
	size_t i;

	for (i = 0; i < heirs.n; i++)
		if (heirs.v[i].fd != -1)
			close(heirs.v[i].fd);
	free(heirs.v);
	heirs.v = NULL;
	heirs.n = 0;
}

int
heir_add(struct buf *b, int fd, const struct heir_file *file)
{
	return buf_printf(b, "%s%d:%ju:%ju", buf_len(b) > 0 ? "," : "", fd,
	    (uintmax_t)file->ino, (uintmax_t)file->dev);
}

/* The socket's own number makes it unique; colons have a meaning in names. */
void
heir_name(char *out, size_t size, int fd, const struct heir_file *file)
{
	struct stat st = { 0 };

	if (fstat(fd, &st) == -1)
		log_warn("descriptor %d", fd);
	snprintf(out, size, HEIR_PREFIX "%ju.%ju.%ju", (uintmax_t)st.st_ino,
	    (uintmax_t)file->ino, (uintmax_t)file->dev);
}

bool
heir_is_name(const char *name)
{
	return strncmp(name, HEIR_PREFIX, strlen(HEIR_PREFIX)) == 0;
}

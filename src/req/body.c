/* SPDX-License-Identifier: MIT */
/* Request bodies: memory first, then an unlinked file. */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "req/body.h"

#define BODY_FIRST	16384	/* first reservation, and the one kept */
#define BODY_GROWTH	8	/* few copies of a body that turns out large */

/* Reserved by all bodies of this process. Threads free what another took. */
static _Atomic size_t body_reserved;

static size_t
body_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

void
body_init(struct body *b)
{
	memset(b, 0, sizeof(*b));
	b->fd = -1;
}

/* The block that mem lies in. */
static void *
body_block(const struct body *b)
{
	return b->mem != NULL ? b->mem - BODY_FRONT : NULL;
}

static void
body_free(struct body *b)
{
	free(body_block(b));
	atomic_fetch_sub(&body_reserved, b->cap);
	b->mem = NULL;
	b->cap = 0;
}

void
body_reset(struct body *b)
{
	if (b->cap > BODY_FIRST)
		body_free(b);
	if (b->fd != -1)
		close(b->fd);
	b->fd = -1;
	b->len = b->in_mem = b->at = 0;
	b->whole = false;
}

void
body_fini(struct body *b)
{
	body_reset(b);
	if (b->cap > 0)
		body_free(b);
}

/*
 * Reserve more, by what has arrived and never by what was announced. Memory
 * that is not to be had is no failure: the body goes to its file.
 */
static void
body_enlarge(struct body *b, const struct body_conf *conf)
{
	size_t cap, more;
	char *block;

	cap = b->cap < BODY_FIRST ? BODY_FIRST : b->cap * BODY_GROWTH;
	cap = body_min(cap, conf->memory);
	if (cap <= b->cap)
		return;
	more = cap - b->cap;
	if (atomic_fetch_add(&body_reserved, more) + more > conf->memory_sum ||
	    (block = realloc(body_block(b), BODY_FRONT + cap + 1)) == NULL) {
		atomic_fetch_sub(&body_reserved, more);
		return;
	}
	b->mem = block + BODY_FRONT;
	b->cap = cap;
}

void *
body_room(struct body *b, const struct body_conf *conf, size_t *n)
{
	size_t room;

	if (b->fd != -1)
		return NULL;
	if (b->in_mem == b->cap)
		body_enlarge(b, conf);
	/* What an earlier body left may be more than a smaller limit. */
	room = body_min(b->cap, conf->memory);
	if (b->in_mem >= room)
		return NULL;
	*n = body_min(*n, room - b->in_mem);
	return b->mem + b->in_mem;
}

void
body_took(struct body *b, size_t n)
{
	b->in_mem += n;
	b->len += n;
}

/* Where O_TMPFILE is not known the name lives for a moment. */
static int
body_open_named(const char *dir)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/saola-XXXXXX", dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = mkostemp(path, O_CLOEXEC)) != -1)
		unlink(path);
	return fd;
}

/* A full disk is the caller's to report; a directory we may not use is not. */
static int
body_open(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = body_open_named(dir);
	if (fd == -1 && (errno == EACCES || errno == EROFS ||
	    errno == ENOENT || errno == ENOTDIR || errno == EPERM))
		fd = memfd_create("saola-body", MFD_CLOEXEC);
	return fd;
}

static int
body_spool(struct body *b, const char *dir, const char *p, size_t n)
{
	ssize_t k;

	if (b->fd == -1 && (b->fd = body_open(dir)) == -1)
		return -1;
	while (n > 0) {
		k = pwrite(b->fd, p, n, (off_t)(b->len - b->in_mem));
		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		b->len += (size_t)k;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int
body_add(struct body *b, const struct body_conf *conf, const void *data,
    size_t n)
{
	const char *p = data;
	size_t k;
	void *room;

	while (n > 0) {
		k = n;
		if ((room = body_room(b, conf, &k)) == NULL)
			return body_spool(b, conf->dir, p, n);
		memcpy(room, p, k);
		body_took(b, k);
		p += k;
		n -= k;
	}
	return 0;
}

void *
body_give(struct body *b, size_t *n)
{
	void *block = body_block(b), *cut;

	if (!b->whole || b->at > 0 || b->len == 0 || b->fd != -1)
		return NULL;
	*n = (size_t)b->len;
	if ((cut = realloc(block, BODY_FRONT + *n + 1)) != NULL)
		block = cut;
	atomic_fetch_sub(&body_reserved, b->cap);
	b->mem = NULL;
	b->cap = 0;
	b->in_mem = 0;
	b->at = b->len;
	return block;
}

const char *
body_peek(const struct body *b, size_t *n)
{
	if (b->at >= b->in_mem) {
		*n = 0;
		return NULL;
	}
	*n = (size_t)(b->in_mem - b->at);
	return b->mem + b->at;
}

static ssize_t
body_read_file(struct body *b, void *out, size_t n)
{
	ssize_t k;

	do
		k = pread(b->fd, out, n, (off_t)(b->at - b->in_mem));
	while (k == -1 && errno == EINTR);
	/* The file is ours alone: shorter than written is a broken disk. */
	if (k == 0)
		errno = EIO;
	return k > 0 ? k : -1;
}

ssize_t
body_read(struct body *b, void *out, size_t n)
{
	char *to = out;
	const char *mem;
	size_t k, done;
	ssize_t got = 0;

	n = n < body_left(b) ? n : (size_t)body_left(b);
	for (done = 0; done < n; done += (size_t)got) {
		if ((mem = body_peek(b, &k)) != NULL) {
			got = (ssize_t)body_min(k, n - done);
			memcpy(to + done, mem, (size_t)got);
		} else if ((got = body_read_file(b, to + done,
		    n - done)) == -1)
			return done > 0 ? (ssize_t)done : -1;
		b->at += (uint64_t)got;
	}
	return (ssize_t)done;
}

/* SPDX-License-Identifier: MIT */
/* Allocation that cannot fail, and arenas that may. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define ARENA_ALIGN	16

/* Its size keeps the bytes behind it aligned. */
struct arena_chunk {
	struct arena_chunk	*next;	/* the one before it in time */
	size_t			 size;	/* bytes behind this header */
};
_Static_assert(sizeof(struct arena_chunk) % ARENA_ALIGN == 0,
    "blocks behind the header are aligned");

static void *
mem_check(void *p)
{
	if (p == NULL)
		log_fatalx(1, "out of memory");
	return p;
}

void *
xmalloc(size_t size)
{
	return mem_check(malloc(size > 0 ? size : 1));
}

void *
xcalloc(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return mem_check(calloc(n, size));
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return mem_check(reallocarray(p, n, size));
}

char *
xstrdup(const char *s)
{
	return mem_check(strdup(s));
}

char *
xstrndup(const char *s, size_t n)
{
	return mem_check(strndup(s, n));
}

int
xasprintf(char **out, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	if (n == -1)
		log_fatalx(1, "out of memory");
	return n;
}

/* What a block of n bytes takes; 0 if that cannot be counted. */
static size_t
arena_round(size_t n)
{
	if (n == 0)
		return ARENA_ALIGN;
	return (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

/* Make chunk the one that blocks are cut from. */
static void
arena_use(struct arena *a, struct arena_chunk *chunk)
{
	a->at = (char *)(chunk + 1);
	a->end = a->at + chunk->size;
}

static int
arena_add_chunk(struct arena *a, size_t need)
{
	size_t size = a->chunks == NULL ? a->first : 2 * a->chunks->size;
	struct arena_chunk *chunk;

	if (size > a->max)
		size = a->max;
	if (size < need)
		size = need;
	size = arena_round(size);
	if ((chunk = malloc(sizeof(*chunk) + size)) == NULL)
		return -1;
	chunk->size = size;
	chunk->next = a->chunks;
	a->chunks = chunk;
	arena_use(a, chunk);
	return 0;
}

void
arena_init(struct arena *a, size_t first, size_t max)
{
	memset(a, 0, sizeof(*a));
	a->first = first;
	a->max = max;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t size = arena_round(n);
	void *p;

	if (size == 0 || size > a->max - a->used)
		return NULL;
	if (unlikely(size > (size_t)(a->end - a->at)) &&
	    arena_add_chunk(a, size) == -1)
		return NULL;
	p = a->at;
	a->at += size;
	a->used += size;
	return p;
}

void *
arena_grow(struct arena *a, void *p, size_t old, size_t new)
{
	size_t was = arena_round(old), size = arena_round(new);
	void *q;

	if (p != NULL && size != 0 && size <= was)
		return p;
	if (p != NULL && (char *)p + was == a->at &&
	    size - was <= (size_t)(a->end - a->at) &&
	    size - was <= a->max - a->used) {
		a->at += size - was;
		a->used += size - was;
		return p;
	}
	if ((q = arena_alloc(a, new)) != NULL && p != NULL)
		memcpy(q, p, old);
	return q;
}

/* Free the chunks newer than keep. */
static void
arena_drop(struct arena *a, const struct arena_chunk *keep)
{
	struct arena_chunk *chunk;

	while ((chunk = a->chunks) != keep) {
		a->chunks = chunk->next;
		free(chunk);
	}
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *oldest = a->chunks;

	if (oldest == NULL)
		return;
	while (oldest->next != NULL)
		oldest = oldest->next;
	arena_drop(a, oldest);
	arena_use(a, oldest);
}

void
arena_fini(struct arena *a)
{
	arena_drop(a, NULL);
	a->at = a->end = NULL;
}

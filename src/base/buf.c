/* SPDX-License-Identifier: MIT */
/* Growable bytes with a maximum. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BUF_MIN	256

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

/* Move the content to the front, where nothing is consumed. */
static void
buf_compact(struct buf *b)
{
	size_t len = buf_len(b);

	memmove(b->data, b->data + b->off, len);
	b->off = 0;
	b->end = len;
}

/* Move the content to memory for at least need bytes. need <= max. */
static int
buf_enlarge(struct buf *b, size_t need)
{
	size_t len = buf_len(b), cap = b->cap;
	char *data;

	if (cap < BUF_MIN / 2)
		cap = BUF_MIN / 2;
	while (cap < need && cap <= b->max / 2)
		cap *= 2;
	if (cap < need)
		cap = b->max;
	if ((data = malloc(cap)) == NULL)
		return -1;
	if (len > 0)
		memcpy(data, buf_head(b), len);
	free(b->data);
	b->data = data;
	b->off = 0;
	b->end = len;
	b->cap = cap;
	return 0;
}

/*
 * Consumed bytes are reused only where that moves fewer bytes than were
 * consumed: a slow reader of a large buffer would pay a copy for each read.
 */
int
buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);

	if (n <= b->cap - b->end)
		return 0;
	if (len > b->max || n > b->max - len)
		return -1;
	if (n <= b->cap - len && (b->off >= len || b->cap >= b->max)) {
		buf_compact(b);
		return 0;
	}
	return buf_enlarge(b, len + n);
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	if (buf_reserve(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->data + b->end, p, n);
	b->end += n;
	return 0;
}

int
buf_addstr(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

/* Formatted apart, since vsnprintf would want room for a NUL in the buffer. */
int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n, ret;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1)
		return -1;
	ret = buf_add(b, text, (size_t)n);
	free(text);
	return ret;
}

void
buf_drain(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off >= b->end)
		buf_clear(b);
}

void
buf_clear(struct buf *b)
{
	b->off = b->end = 0;
}

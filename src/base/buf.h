/* SPDX-License-Identifier: MIT */
/*
 * Growable bytes with a maximum.
 *
 *	data        data+off          data+end           data+cap
 *	  | consumed |    content       |    room           |
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

#include "base/attr.h"

struct buf {
	char	*data;
	size_t	 off, end, cap, max;
};

void	 buf_init(struct buf *, size_t max);
void	 buf_fini(struct buf *);
/* Make room for n more bytes; -1 if max would be passed or malloc fails. */
int	 buf_reserve(struct buf *, size_t) MUSTCHECK;
int	 buf_add(struct buf *, const void *, size_t) MUSTCHECK;
int	 buf_addstr(struct buf *, const char *) MUSTCHECK;
int	 buf_printf(struct buf *, const char *, ...) PRINTFLIKE(2, 3) MUSTCHECK;
/* Drop n bytes from the front. */
void	 buf_drain(struct buf *, size_t);
/* Empty it, keep the memory. */
void	 buf_clear(struct buf *);

static inline char *
buf_head(const struct buf *b)
{
	return b->data + b->off;
}

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->off;
}

#endif

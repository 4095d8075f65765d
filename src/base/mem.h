/* SPDX-License-Identifier: MIT */
/*
 * Memory. The x-functions are for boot and for the operator's data: they end
 * the process with one line when there is no memory. What a request needs comes
 * from its arena or from plain malloc, and failing is an answer (503).
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

void	*xmalloc(size_t) MALLOCLIKE;
void	*xcalloc(size_t, size_t) MALLOCLIKE;
void	*xreallocarray(void *, size_t, size_t);
char	*xstrdup(const char *) MALLOCLIKE;
char	*xstrndup(const char *, size_t) MALLOCLIKE;
int	 xasprintf(char **, const char *, ...) PRINTFLIKE(2, 3);

/*
 * An arena: bump allocation in chunks, everything freed at once, never more
 * than max bytes handed out. Blocks are aligned to 16 bytes. reset keeps the
 * first chunk, so that a recycled request allocates nothing.
 *
 *	chunk: | header | used ............ at | free ........... |
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;	/* newest first */
	char	*at, *end;		/* free room in the newest chunk */
	size_t	 used;			/* bytes handed out */
	size_t	 max;
	size_t	 first;			/* size of the first chunk */
};

void	 arena_init(struct arena *, size_t first, size_t max);
/* NULL where max would be passed or malloc fails. */
void	*arena_alloc(struct arena *, size_t) MUSTCHECK;
/*
 * Grow the newest block from old to new bytes, in place where it can; the
 * contents move otherwise. NULL as above, the old block stays valid then.
 */
void	*arena_grow(struct arena *, void *, size_t old, size_t new) MUSTCHECK;
void	 arena_reset(struct arena *);
void	 arena_fini(struct arena *);

#endif

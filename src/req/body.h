/* SPDX-License-Identifier: MIT */
/*
 * A request body that arrives before the application runs: in memory up to a
 * limit, beyond it in an unlinked temporary file (a memfd where the directory
 * cannot be written). Bodies share a bound on their memory, one per process:
 * past it a body goes to a file early, so many half-sent ones cost no memory.
 */
#ifndef REQ_BODY_H
#define REQ_BODY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* Room in front of a body's memory for what may be made of it. */
#define BODY_FRONT	32

struct body {
	char		*mem;		/* the first bytes, or NULL */
	size_t		 cap;
	int		 fd;		/* the rest, or -1 */
	uint64_t	 len;		/* bytes arrived */
	uint64_t	 in_mem;	/* of them in mem: the first ones */
	uint64_t	 at;		/* reading position of the app */
	bool		 whole;		/* the end has arrived */
};

struct body_conf {
	size_t		 memory;	/* body_memory */
	size_t		 memory_sum;	/* of all bodies of this process */
	uint64_t	 limit;		/* body_limit, 0: none */
	const char	*dir;		/* spool_dir */
};

void	body_init(struct body *);
/* Ready for another body; a small buffer is kept. */
void	body_reset(struct body *);
void	body_fini(struct body *);

/* Append; -1 and errno (ENOSPC, ENOMEM ...) where it cannot be kept. */
int	body_add(struct body *, const struct body_conf *, const void *, size_t)
	    MUSTCHECK;
/*
 * Memory where up to *n next bytes may be read straight into, NULL where they
 * go to the file; *n is cut to what fits. body_took says how many came.
 */
void	*body_room(struct body *, const struct body_conf *, size_t *n)
	    MUSTCHECK;
void	body_took(struct body *, size_t n);

/*
 * Copy up to n bytes from the reading position and advance it. The count, 0 at
 * the end, -1 and errno on a read error.
 */
ssize_t	body_read(struct body *, void *, size_t) MUSTCHECK;
/* Bytes between the reading position and the end of what arrived. */
static inline uint64_t
body_left(const struct body *b)
{
	return b->len - b->at;
}
/*
 * Give away a whole body that nobody has read from and that is in memory: one
 * block of malloc's, BODY_FRONT bytes free, *n bytes of body, one byte free.
 * NULL where it is not so. The body is then at its end.
 */
void	*body_give(struct body *, size_t *n) MUSTCHECK;
/*
 * A view of the next bytes in memory without copying; sets *n, which is 0 when
 * they are in the file.
 */
const char *body_peek(const struct body *, size_t *n);

#endif

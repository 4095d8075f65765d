/* SPDX-License-Identifier: MIT */
/*
 * The lines of the access log: Gunicorn's atoms compiled once into a list,
 * every value escaped.
 */
#ifndef REQ_ACCESS_H
#define REQ_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ACCESS_LINE	4096	/* PIPE_BUF: a pipe takes it whole or not */

struct access_format;
struct req;

/* err.code is 2: a format is the operator's to correct. */
struct access_format *access_compile(const char *format, struct err *)
	    MUSTCHECK;
void	access_free(struct access_format *);
/* Only whether it compiles. */
int	access_check(const char *format, struct err *) MUSTCHECK;

/*
 * The line of a finished request with its end, at most ACCESS_LINE bytes; what
 * is longer is cut and ends in "...". Returns its length.
 */
size_t	access_line(struct access_format *, const struct req *, int64_t end_ns,
	    char out[ACCESS_LINE]);

#endif

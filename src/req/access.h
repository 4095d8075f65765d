/* SPDX-License-Identifier: MIT */
/*
 * The access log: Gunicorn's atoms compiled once into a list, one line and one
 * write per request, every value escaped. Never blocks: a line the log cannot
 * take is dropped and counted.
 */
#ifndef REQ_ACCESS_H
#define REQ_ACCESS_H

#include <stdint.h>

#include "base/err.h"

struct access_format;
struct access_log;
struct req;

/* err.code is 2: a format is the operator's to correct. */
struct access_format *access_compile(const char *format, struct err *)
	    MUSTCHECK;
void	access_free(struct access_format *);
/* Only whether it compiles. */
int	access_check(const char *format, struct err *) MUSTCHECK;

/*
 * A log at a file, "-" (stdout) or syslog:FACILITY, which takes the format
 * over. NULL: err says why, and the format is still the caller's.
 */
struct access_log *access_open(const char *where, struct access_format *,
	    struct err *) MUSTCHECK;
/* A file is opened again by its path; the old one stays where that fails. */
void	access_reopen(struct access_log *);
void	access_close(struct access_log *);

/* The line of a finished request. */
void	access_write(struct access_log *, const struct req *, int64_t end_ns);
/* Lines the log could not take. */
uint64_t access_dropped(const struct access_log *);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The access log: one line and one write per request. It never blocks: a line
 * that the log cannot take is dropped and counted.
 */
#ifndef REQ_ACCESS_LOG_H
#define REQ_ACCESS_LOG_H

#include <stdint.h>

#include "req/access.h"

struct access_log;

/*
 * A log at a file, "-" (stdout) or syslog:FACILITY, which takes the format
 * over. NULL: err says why, and the format is still the caller's.
 */
struct access_log *access_log_open(const char *where, struct access_format *,
	    struct err *) MUSTCHECK;
/* A file is opened again by its path; the old one stays where that fails. */
void	access_log_reopen(struct access_log *);
void	access_log_close(struct access_log *);

void	access_log_write(struct access_log *, const struct req *,
	    int64_t end_ns);
/* Lines the log could not take. */
uint64_t access_log_dropped(const struct access_log *);

#endif

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
struct req;

struct access_format *access_compile(const char *format, struct err *)
	    MUSTCHECK;
void	access_free(struct access_format *);
/* The line of a finished request, to req->conf->access_fd. */
void	access_log(const struct access_format *, const struct req *,
	    int64_t end_ns);
uint64_t access_dropped(void);

#endif

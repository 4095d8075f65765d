/* SPDX-License-Identifier: MIT */
/* One question to a master, over its control socket. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Exit codes of saolactl. */
enum { CTL_OK, CTL_FAILED, CTL_USAGE, CTL_NOBODY };

/*
 * Connect to this path, or to the only instance there is. The descriptor, or
 * -1: err.code is CTL_NOBODY, or CTL_USAGE where there are several.
 */
int	client_connect(const char *path, struct err *) MUSTCHECK;
/*
 * Ask, and read the answer, one line without its end. patient: it may take as
 * long as it takes, else some seconds. -1: err.code is CTL_NOBODY.
 */
int	client_ask(int fd, const char *question, bool patient,
	    struct buf *answer, struct err *) MUSTCHECK;
/* Until the other side closes the connection. */
void	client_wait_end(int fd);

#endif

/* SPDX-License-Identifier: MIT */
/* The file that holds the master's process id. */
#ifndef OS_PIDFILE_H
#define OS_PIDFILE_H

#include "base/err.h"

/*
 * Write this process's id. A file that names a living process is refused, any
 * other is replaced; readers never see half a number.
 */
int	pidfile_write(const char *path, struct err *) MUSTCHECK;
/* Remove it, if it still holds this process's id. */
void	pidfile_remove(const char *path);

#endif

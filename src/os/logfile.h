/* SPDX-License-Identifier: MIT */
/*
 * Log files, and the error log of this process. The master makes the files and
 * gives them to the application's user, so that workers can reopen them.
 */
#ifndef OS_LOGFILE_H
#define OS_LOGFILE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"

/*
 * Open for appending, made if need be with mode 0640; no symbolic link is
 * followed. It is given to uid and gid (-1: unchanged) where that can be done.
 * -1 and err.
 */
int	logfile_open(const char *path, uid_t uid, gid_t gid, struct err *)
	    MUSTCHECK;

/*
 * Send the error log of this process to "-" (stderr), to syslog:FACILITY or to
 * a file. On failure it stays where it was. Again with another place at a
 * reload.
 */
int	logfile_set_error(const char *where, const char *ident,
	    enum log_level, uid_t uid, gid_t gid, struct err *) MUSTCHECK;
/* Open the error log's file again by its path, under the same descriptor. */
void	logfile_reopen_error(void);
/* Its descriptor, -1 for syslog. */
int	logfile_error_fd(void);
/* Around closing descriptors in a child: syslog(3) has one of its own. */
void	logfile_pause(void);
void	logfile_resume(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Descriptors of a whole process. */
#ifndef OS_FDS_H
#define OS_FDS_H

#include <stddef.h>

/* Open /dev/null where 0, 1 or 2 are closed, so that no socket becomes one. */
void	fds_sane(void);
/* Point stdout and stderr at /dev/null. */
void	fds_mute(void);
/* Close every descriptor above 2 that is not in the list, which gets sorted. */
void	fds_keep(int *fds, size_t n);

#endif

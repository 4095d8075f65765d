/* SPDX-License-Identifier: MIT */
/*
 * Where control sockets are: a rule that the master, who makes one, and
 * saolactl, who looks for it, must both know.
 */
#ifndef OS_CTLPATH_H
#define OS_CTLPATH_H

#include "base/err.h"
#include "base/str.h"

/* The directories, the first choice first: $RUNTIME_DIRECTORY and so on. */
void	ctlpath_dirs(struct strlist *);
/*
 * Where this instance's socket goes, heap memory: the first directory we can
 * write to, made if its parent is ours to write. NULL with a sentence.
 */
char	*ctlpath_choose(const char *instance, struct err *) MUSTCHECK;
/* Every path of a socket in those directories, alive or not. */
void	ctlpath_find(struct strlist *);

#endif

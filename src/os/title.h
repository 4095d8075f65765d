/* SPDX-License-Identifier: MIT */
/* What ps shows of a process. */
#ifndef OS_TITLE_H
#define OS_TITLE_H

#include "base/attr.h"

/*
 * Take the memory behind argv and the environment for titles. Returns a copy
 * of argv to be used instead; the environment moves too. Once, first of all.
 */
char	**title_init(int argc, char **argv);
/* Set it, after "saola: ". Cut to the room there is. */
void	title_set(const char *, ...) PRINTFLIKE(1, 2);

#endif

/* SPDX-License-Identifier: MIT */
/* The program that this process runs. */
#ifndef OS_SELF_H
#define OS_SELF_H

/*
 * The absolute path it was started by, heap memory: asked at the start, before
 * directory or environment change, it leads to a newer version once the file
 * there, or the link, is replaced.
 */
char	*self_path(const char *argv0);

#endif

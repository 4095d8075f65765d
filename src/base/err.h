/* SPDX-License-Identifier: MIT */
/*
 * One sentence for the operator. Functions that an operator's mistake can make
 * fail take a struct err *, fill it and return -1; the caller decides whether
 * to print it and exit (boot) or to report it and go on (reload).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

struct err {
	int	code;		/* exit code this deserves; 1 unless set */
	char	text[1024];
};

/* Set the sentence; always returns -1. errno is kept. code becomes 1. */
int	err_set(struct err *, const char *, ...) PRINTFLIKE(2, 3);
/* The same with an exit code of its own. */
int	err_setc(struct err *, int, const char *, ...) PRINTFLIKE(3, 4);
/* Put "prefix: " in front of the sentence; returns -1. */
int	err_prefix(struct err *, const char *, ...) PRINTFLIKE(2, 3);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The kernel shows as a command line whatever lies where it put argv. Behind
 * argv lies the environment, in one piece with it:
 *
 *	| argv[0] 0 argv[1] 0 ... | VAR=value 0 VAR=value 0 ... |
 *	  title.at                                              title.size
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/title.h"

static struct {
	char	*at;
	size_t	 size;
	char	**env;		/* our copy, which setenv(3) may drop */
} title;

static char **
title_copy(char **v)
{
	char **copy;
	size_t n, i;

	for (n = 0; v[n] != NULL; n++)
		;
	copy = xcalloc(n + 1, sizeof(*copy));
	for (i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

static void
title_extend(char **v)
{
	for (; *v != NULL; v++)
		if (*v == title.at + title.size)
			title.size += strlen(*v) + 1;
}

char **
title_init(int argc, char **argv)
{
	char **args;

	if (argc > 0) {
		title.at = argv[0];
		title_extend(argv);
		title_extend(environ);
	}
	args = title_copy(argv);
	environ = title.env = title_copy(environ);
	return args;
}

void
title_set(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (title.size == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(title.at, 0, title.size);
	snprintf(title.at, title.size, "saola: %s", text);
}

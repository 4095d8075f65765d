/* SPDX-License-Identifier: MIT */
/*
 * An INI file as a stream of items, each with its place. libinih does the
 * parsing; what it would do in silence (cut a long line or section name, pass
 * over text behind a heading) is an error here.
 *
 * There are no comments at the end of a line: a ; or # in a value is a part of
 * it. An indented line continues the key above it.
 */
#ifndef CONF_INI_H
#define CONF_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

struct ini_item {
	const char	*file;
	int		 line;
	const char	*section;	/* "" before the first heading */
	const char	*key;		/* NULL: the section's heading */
	const char	*value;
	bool		 continued;	/* one more line of the key above */
};

/*
 * What to do with an item, valid during the call. -1 and a sentence end the
 * parsing; "file:line: " is put in front of it.
 */
struct ini_sink {
	int	(*item)(void *arg, const struct ini_item *, struct err *);
	void	*arg;
};

/* -1 with a sentence that names the place; err.code is 2. */
int	ini_parse_path(const char *path, const struct ini_sink *, struct err *)
	    MUSTCHECK;
int	ini_parse_text(const char *file, const char *text, size_t len,
	    const struct ini_sink *, struct err *) MUSTCHECK;

#endif

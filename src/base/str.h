/* SPDX-License-Identifier: MIT */
/* Slices and text: comparing, and parsing what operators write. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

/* Bytes somebody else owns. Not NUL-terminated. */
struct str {
	const char	*p;
	size_t		 len;
};

#define STR(lit)	((struct str){ (lit), sizeof(lit) - 1 })

static inline bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

bool	str_caseeq(struct str, struct str);
bool	str_starts(struct str, struct str prefix);
/* Blanks (space, tab) at both ends removed. */
struct str str_trim(struct str);

/*
 * Divide text at its blanks, in place, into at most max words. How many there
 * are; max + 1 if there are more.
 */
size_t	str_words(char *text, char **words, size_t max);

/* A list of strings that owns them. */
struct strlist {
	char	**v;
	size_t	 n;
};
void	strlist_add(struct strlist *, const char *);
void	strlist_fini(struct strlist *);
bool	strlist_eq(const struct strlist *, const struct strlist *);

/*
 * Parsers of text. 0 and *out, or -1 if the text is not wholly one value in
 * min..max. Sizes: bytes or a k, m, g suffix (1024). Times: milliseconds out;
 * seconds, or an ms, s, m, h, d suffix; decimals allowed. Modes: octal.
 */
int	str_parse_int(const char *, int64_t min, int64_t max, int64_t *out)
	    MUSTCHECK;
int	str_parse_size(const char *, int64_t min, int64_t max, int64_t *out)
	    MUSTCHECK;
int	str_parse_time(const char *, int64_t min_s, int64_t max_s,
	    int64_t *out_ms) MUSTCHECK;
int	str_parse_mode(const char *, unsigned *out) MUSTCHECK;
int	str_parse_bool(const char *, bool *out) MUSTCHECK;

/*
 * The name in names (NULL-terminated) nearest to word, for "did you mean";
 * NULL if none is near (edit distance over a third of its length).
 */
const char *str_nearest(const char *word, const char *const *names);

#endif

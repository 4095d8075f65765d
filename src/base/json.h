/* SPDX-License-Identifier: MIT */
/* JSON: written piece by piece, read as a whole. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"

/*
 * The writer. Commas come by themselves; name is NULL for what stands in an
 * array or alone. Bytes that are not UTF-8 become U+FFFD. Whoever runs into the
 * maximum, or out of memory, sees failed at the end.
 */
struct json_out {
	struct buf	 buf;
	bool		 failed;
};

void	json_out_init(struct json_out *, size_t max);
void	json_out_fini(struct json_out *);
void	json_open(struct json_out *, const char *name, char bracket);
void	json_close(struct json_out *, char bracket);
void	json_str(struct json_out *, const char *name, const char *text);
void	json_int(struct json_out *, const char *name, int64_t);
void	json_bool(struct json_out *, const char *name, bool);

/*
 * The reader. Names and texts are unescaped and end with a NUL; a number is
 * kept as it was written. Everything lives in the arena.
 */
enum json_kind {
	JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING,
	JSON_ARRAY, JSON_OBJECT
};

struct json {
	enum json_kind	 kind;
	const char	*name;		/* in an object, else NULL */
	const char	*text;		/* of a string or a number, else "" */
	struct json	*first, *next;	/* what is inside; beside it */
};

/* NULL for what is not one JSON value, or does not fit the arena. */
struct json *json_read(struct arena *, const char *, size_t) MUSTCHECK;
/* The value of this name, NULL if there is none. */
const struct json *json_find(const struct json *, const char *name);
/* The same as a text, a number, an answer; "", 0, false if there is none. */
const char *json_find_text(const struct json *, const char *name);
int64_t	json_find_int(const struct json *, const char *name);
bool	json_find_bool(const struct json *, const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/* Names that people bring along from Gunicorn and that saola spells otherwise,
 * does not need, or refuses. */
#ifndef CONF_GUNICORN_H
#define CONF_GUNICORN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/settings.h"

enum gunicorn_verdict {
	GUNICORN_ALIAS,		/* text names the setting it stands for */
	GUNICORN_RENAMED,	/* only in its file: text is our name */
	GUNICORN_NO_EFFECT,	/* warned of: text says why */
	GUNICORN_REFUSED	/* text says what to do instead */
};

struct gunicorn_name {
	const char	*name;		/* as an option, without -- */
	enum gunicorn_verdict verdict;
	bool		 has_value;	/* as an option; ALIAS: as its row */
	const char	*text;
};
extern const struct gunicorn_name gunicorn_names[];
extern const size_t gunicorn_count;

/* The name of an option or (with _) of a key; NULL if it is not Gunicorn's. */
const struct gunicorn_name *gunicorn_find(const char *name);
/*
 * What is to be done with it: *row is the setting to set, or NULL where it has
 * no effect, of which the log is told. -1 with a sentence if it is refused.
 */
int	gunicorn_resolve(const struct gunicorn_name *, const char *where,
	    const struct setting **row, struct err *) MUSTCHECK;

#endif

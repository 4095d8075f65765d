/* SPDX-License-Identifier: MIT */
/*
 * A configuration file and what it includes, as sections of known settings:
 * [saola], [defaults], and an [app NAME] for each application.
 */
#ifndef CONF_SECTIONS_H
#define CONF_SECTIONS_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/layer.h"

enum section_kind { SECTION_SAOLA, SECTION_DEFAULTS, SECTION_APP };

struct section {
	enum section_kind kind;
	char		*name;		/* the application's; NULL otherwise */
	char		*where;		/* of its heading */
	struct layer	 set;
};

struct sections {
	struct section	**v;
	size_t		 n;
	struct strlist	 include;	/* patterns, and where each stands */
	struct strlist	 include_where;
};

/* Start with zeroes; fini also after a failure. -1 with a sentence, code 2. */
int	sections_load(struct sections *, const char *path, struct err *)
	    MUSTCHECK;
/* The same from memory, without the files it includes. */
int	sections_parse(struct sections *, const char *file, const char *text,
	    size_t len, struct err *) MUSTCHECK;
void	sections_fini(struct sections *);
/* The section of this kind, NULL if there is none; of applications the first. */
const struct section *sections_find(const struct sections *,
	    enum section_kind);
size_t	sections_count_apps(const struct sections *);

#endif

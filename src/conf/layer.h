/* SPDX-License-Identifier: MIT */
/*
 * A layer of the configuration: settings that one source gave, as text and
 * with their place. Layers are put on each other; a LIST replaces the one
 * below as a whole.
 */
#ifndef CONF_LAYER_H
#define CONF_LAYER_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/settings.h"

struct layer_item {
	const struct setting	*row;
	char			*text;
	char			*where;	/* "saola.conf:3", "command line" */
};

struct layer {
	struct layer_item	*v;
	size_t			 n;
};

void	layer_add(struct layer *, const struct setting *, const char *text,
	    const char *where);
void	layer_fini(struct layer *);
/* The last item of this row, NULL if there is none. */
const struct layer_item *layer_find(const struct layer *,
	    const struct setting *);

/* Base and source, which has an entry for each row of the table, as defaults. */
void	layer_defaults(enum setting_scope, void *base, char **source);
/* Put the layer's settings of this scope on base and source. */
int	layer_apply(const struct layer *, enum setting_scope, void *base,
	    char **source, struct err *) MUSTCHECK;
/* Who set the row. */
const char *layer_source(char *const *source, const struct setting *);
void	layer_set_source(char **source, const struct setting *,
	    const char *where);

#endif

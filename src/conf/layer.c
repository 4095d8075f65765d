/* SPDX-License-Identifier: MIT */
/* Layers of settings. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/layer.h"

void
layer_add(struct layer *l, const struct setting *row, const char *text,
    const char *where)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct layer_item){
		.row = row, .text = xstrdup(text), .where = xstrdup(where),
	};
}

void
layer_fini(struct layer *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->v[i].text);
		free(l->v[i].where);
	}
	free(l->v);
	*l = (struct layer){ NULL, 0 };
}

const struct layer_item *
layer_find(const struct layer *l, const struct setting *row)
{
	size_t i;

	for (i = l->n; i > 0; i--)
		if (l->v[i - 1].row == row)
			return &l->v[i - 1];
	return NULL;
}

const char *
layer_source(char *const *source, const struct setting *row)
{
	return source[row - settings_table];
}

void
layer_set_source(char **source, const struct setting *row, const char *where)
{
	char **at = &source[row - settings_table];

	free(*at);
	*at = xstrdup(where);
}

/* A unit test sees to it that every default parses. */
void
layer_defaults(enum setting_scope scope, void *base, char **source)
{
	const struct setting *row;
	struct err err;

	for (row = settings_table; row < settings_table + settings_count;
	    row++) {
		if (row->scope != scope)
			continue;
		if (setting_parse(row, base, row->deflt, &err) == -1)
			log_fatalx(255, "default of %s", err.text);
		layer_set_source(source, row, "default");
	}
}

/* A LIST gathers the values of its layer; the first one clears it. */
static bool
layer_begins_list(const struct layer *l, const struct layer_item *item)
{
	const struct layer_item *i;

	if (item->row->kind != SET_LIST)
		return false;
	for (i = l->v; i < item; i++)
		if (i->row == item->row)
			return false;
	return true;
}

int
layer_apply(const struct layer *l, enum setting_scope scope, void *base,
    char **source, struct err *err)
{
	const struct layer_item *item;
	size_t i;

	for (i = 0; i < l->n; i++) {
		item = &l->v[i];
		if (item->row->scope != scope)
			continue;
		if (layer_begins_list(l, item))
			setting_free(item->row, base);
		if (setting_parse(item->row, base, item->text, err) == -1) {
			err_prefix(err, "%s", item->where);
			err->code = 2;
			return -1;
		}
		layer_set_source(source, item->row, item->where);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The configuration file: which settings may stand where. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/gunicorn.h"
#include "conf/ini.h"
#include "conf/sections.h"

#define SECTION_NAME_MAX	40

/* The state of one file; sections gather over all of them. */
struct sections_file {
	struct sections	*all;
	struct section	*now;
	const struct setting *row;	/* of the last key; NULL: include */
};

static const char section_name_bytes[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static struct section *
section_new(enum section_kind kind, const char *name, const char *where)
{
	struct section *s = xcalloc(1, sizeof(*s));

	s->kind = kind;
	s->name = name == NULL ? NULL : xstrdup(name);
	s->where = xstrdup(where);
	return s;
}

static void
section_free(struct section *s)
{
	free(s->name);
	free(s->where);
	layer_fini(&s->set);
	free(s);
}

/* Names are parts of process titles, log lines and paths. */
static int
section_check_name(const char *name, struct err *err)
{
	if (*name == '\0')
		return err_set(err, "[app] has no name: write [app NAME]");
	if (name[strspn(name, section_name_bytes)] != '\0')
		return err_set(err, "application name \"%s\": only letters, "
		    "digits, dot, - and _", name);
	if (*name == '.' || *name == '-')
		return err_set(err, "application name \"%s\" must begin with "
		    "a letter, a digit or _", name);
	if (strlen(name) > SECTION_NAME_MAX)
		return err_set(err, "application name \"%s\" is longer than "
		    "%d", name, SECTION_NAME_MAX);
	return 0;
}

/* What a heading says. *name points into it, NULL if it names none. */
static int
section_parse_heading(const char *heading, enum section_kind *kind,
    const char **name, struct err *err)
{
	static const char *const titles[] = { "saola", "defaults", "app",
	    NULL };
	size_t len = strcspn(heading, " \t");
	const char *near;

	*name = NULL;
	if (strcmp(heading, "saola") == 0)
		*kind = SECTION_SAOLA;
	else if (strcmp(heading, "defaults") == 0)
		*kind = SECTION_DEFAULTS;
	else if (len == 3 && strncmp(heading, "app", len) == 0) {
		*kind = SECTION_APP;
		*name = heading + len + strspn(heading + len, " \t");
		return section_check_name(*name, err);
	} else if ((near = str_nearest(heading, titles)) != NULL)
		return err_set(err, "unknown section [%s], did you mean "
		    "[%s]?", heading, near);
	else
		return err_set(err, "unknown section [%s]; there are [saola], "
		    "[defaults] and [app NAME]", heading);
	return 0;
}

static struct section *
sections_find_same(const struct sections *all, enum section_kind kind,
    const char *name)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->v[i]->kind == kind &&
		    (name == NULL || strcmp(all->v[i]->name, name) == 0))
			return all->v[i];
	return NULL;
}

static int
sections_begin(struct sections_file *file, const char *heading,
    const char *where, struct err *err)
{
	struct sections *all = file->all;
	struct section *was;
	enum section_kind kind;
	const char *name;

	if (section_parse_heading(heading, &kind, &name, err) == -1)
		return -1;
	if ((was = sections_find_same(all, kind, name)) != NULL)
		return err_set(err, "section [%s] is already at %s", heading,
		    was->where);
	all->v = xreallocarray(all->v, all->n + 1, sizeof(struct section *));
	file->now = all->v[all->n++] = section_new(kind, name, where);
	file->row = NULL;
	return 0;
}

static int
sections_unknown_key(const char *key, struct err *err)
{
	const char *near = setting_nearest(key);

	if (*key == '\0')
		return err_set(err, "there is no key in front of =");
	if (near == NULL && str_nearest(key,
	    (const char *const []){ "include", NULL }) != NULL)
		near = "include";
	if (near != NULL)
		return err_set(err, "unknown key %s, did you mean %s?", key,
		    near);
	return err_set(err, "unknown key %s", key);
}

/* *row is NULL for a key without effect. */
static int
sections_find_row(const char *key, const char *where,
    const struct setting **row, struct err *err)
{
	const struct gunicorn_name *g;

	if (strchr(key, '-') == NULL &&
	    (*row = setting_find(key)) != NULL)
		return 0;
	if (strchr(key, '-') == NULL && (g = gunicorn_find(key)) != NULL)
		return gunicorn_resolve(g, where, row, err);
	return sections_unknown_key(key, err);
}

static int
sections_check_scope(const struct section *s, const struct setting *row,
    struct err *err)
{
	enum setting_scope scope = s->kind == SECTION_SAOLA ? SCOPE_MASTER :
	    SCOPE_APP;

	if (row->scope == scope)
		return 0;
	if (scope == SCOPE_MASTER)
		return err_set(err, "%s belongs to an application: into "
		    "[defaults] or [app NAME]", row->name);
	return err_set(err, "%s belongs into [saola]", row->name);
}

static int
sections_put_include(struct sections_file *file, const char *value,
    const char *where, struct err *err)
{
	if (file->now->kind != SECTION_SAOLA)
		return err_set(err, "include belongs into [saola]");
	if (*value != '\0') {
		strlist_add(&file->all->include, value);
		strlist_add(&file->all->include_where, where);
	}
	file->row = NULL;
	return 0;
}

static int
sections_put_key(struct sections_file *file, const struct ini_item *item,
    const char *where, struct err *err)
{
	const struct layer_item *was;
	const struct setting *row;

	if (strcmp(item->key, "include") == 0)
		return sections_put_include(file, item->value, where, err);
	if (sections_find_row(item->key, where, &row, err) == -1)
		return -1;
	file->row = row;
	if (row == NULL)
		return 0;
	if (sections_check_scope(file->now, row, err) == -1)
		return -1;
	was = layer_find(&file->now->set, row);
	if (was != NULL && row->kind != SET_LIST)
		return err_set(err, "%s is already set at %s", row->name,
		    was->where);
	layer_add(&file->now->set, row, item->value, where);
	return 0;
}

/*
 * An indented line goes on with the list above it. Whoever indents all keys of
 * a section means something else, and must hear of it rather than find his
 * settings among the values of a list.
 */
static int
sections_continue_key(struct sections_file *file, const struct ini_item *item,
    const char *where, struct err *err)
{
	struct str word = str_trim((struct str){ item->value,
	    strcspn(item->value, "=") });
	char *name = xstrndup(word.p, word.len);
	bool is_setting = item->value[strcspn(item->value, "=")] == '=' &&
	    setting_find(name) != NULL;

	free(name);
	if (is_setting || (strcmp(item->key, "include") != 0 &&
	    (file->row == NULL || file->row->kind != SET_LIST)))
		return err_set(err, "an indented line continues %s above it, "
		    "%s; settings begin in the first column", item->key,
		    is_setting ? "but looks like a setting" :
		    "which has one value");
	return sections_put_key(file, item, where, err);
}

static int
sections_on_item(void *arg, const struct ini_item *item, struct err *err)
{
	struct sections_file *file = arg;
	char *where;
	int ret;

	xasprintf(&where, "%s:%d", item->file, item->line);
	if (item->key == NULL)
		ret = sections_begin(file, item->section, where, err);
	else if (file->now == NULL)
		ret = err_set(err, "%s stands before any [section]",
		    item->key);
	else if (item->continued)
		ret = sections_continue_key(file, item, where, err);
	else
		ret = sections_put_key(file, item, where, err);
	free(where);
	return ret;
}

static int
sections_load_one(struct sections *all, const char *path, struct err *err)
{
	struct sections_file file = { .all = all };
	struct ini_sink sink = { sections_on_item, &file };

	return ini_parse_path(path, &sink, err);
}

int
sections_parse(struct sections *all, const char *name, const char *text,
    size_t len, struct err *err)
{
	struct sections_file file = { .all = all };
	struct ini_sink sink = { sections_on_item, &file };

	return ini_parse_text(name, text, len, &sink, err);
}

/* A pattern is relative to the file that holds it. */
static char *
sections_resolve_path(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (*pattern == '/' || slash == NULL)
		return xstrdup(pattern);
	xasprintf(&path, "%.*s%s", (int)(slash - file + 1), file, pattern);
	return path;
}

/* A plain name must exist; a pattern may match nothing. */
static int
sections_load_glob(struct sections *all, const char *pattern,
    const char *where, struct err *err)
{
	glob_t g;
	size_t i;
	int ret = 0;

	switch (glob(pattern, 0, NULL, &g)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		if (strpbrk(pattern, "*?[") != NULL)
			return 0;
		return err_setc(err, 2, "%s: include: there is no %s", where,
		    pattern);
	default:
		return err_setc(err, 2, "%s: include: cannot read %s", where,
		    pattern);
	}
	for (i = 0; i < g.gl_pathc && ret == 0; i++)
		ret = sections_load_one(all, g.gl_pathv[i], err);
	globfree(&g);
	return ret;
}

/*
 * Only [saola] includes and it is there once, so an included file includes
 * nothing: there is no recursion to guard against.
 */
int
sections_load(struct sections *all, const char *path, struct err *err)
{
	char *pattern;
	size_t i;
	int ret;

	ret = sections_load_one(all, path, err);
	for (i = 0; i < all->include.n && ret == 0; i++) {
		pattern = sections_resolve_path(path, all->include.v[i]);
		ret = sections_load_glob(all, pattern,
		    all->include_where.v[i], err);
		free(pattern);
	}
	return ret;
}

void
sections_fini(struct sections *all)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		section_free(all->v[i]);
	free(all->v);
	strlist_fini(&all->include);
	strlist_fini(&all->include_where);
	*all = (struct sections){ 0 };
}

const struct section *
sections_find(const struct sections *all, enum section_kind kind)
{
	return sections_find_same(all, kind, NULL);
}

size_t
sections_count_apps(const struct sections *all)
{
	size_t i, n = 0;

	for (i = 0; i < all->n; i++)
		n += all->v[i]->kind == SECTION_APP;
	return n;
}

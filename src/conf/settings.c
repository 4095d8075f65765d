/* SPDX-License-Identifier: MIT */
/* The settings table, and what can be done with one field by its row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/settings.h"

#define SETTING_NAME_MAX	64

#define MASTER(KIND, id, opt, def, lo, hi, when_, help_, ...)		\
	{ .name = #id, .deflt = def, .help = help_,			\
	  .choices = "" __VA_ARGS__, .min = lo, .max = hi,		\
	  .offset = offsetof(struct master_settings, id),		\
	  .scope = SCOPE_MASTER, .kind = SET_##KIND,			\
	  .when = WHEN_##when_, .letter = opt },
#define APP(KIND, id, opt, def, lo, hi, when_, help_, ...)		\
	{ .name = #id, .deflt = def, .help = help_,			\
	  .choices = "" __VA_ARGS__, .min = lo, .max = hi,		\
	  .offset = offsetof(struct app_settings, id),			\
	  .scope = SCOPE_APP, .kind = SET_##KIND,			\
	  .when = WHEN_##when_, .letter = opt },
const struct setting settings_table[] = {
#include "conf/settings.def"
};
#undef MASTER
#undef APP
const size_t settings_count = nitems(settings_table);

/* One kind of value: how it is read, written, compared and owned. */
struct setting_ops {
	int	(*parse)(const struct setting *, void *, const char *,
		    struct err *);
	void	(*format)(const struct setting *, const void *, char *,
		    size_t);
	size_t	  size;		/* of the field */
};

static inline void *
setting_field(const struct setting *row, void *base)
{
	return (char *)base + row->offset;
}

static inline const void *
setting_const_field(const struct setting *row, const void *base)
{
	return (const char *)base + row->offset;
}

/* "name: text " or, for no text at all, "name: an empty value ". */
static int
setting_refuse(const struct setting *row, const char *text, struct err *err,
    const char *what)
{
	return err_set(err, "%s: %s %s", row->name,
	    *text == '\0' ? "an empty value" : text, what);
}

static int
setting_parse_int(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	char what[96];

	if (str_parse_int(text, row->min, row->max, field) == 0)
		return 0;
	snprintf(what, sizeof(what), "is not a number from %lld to %lld",
	    (long long)row->min, (long long)row->max);
	return setting_refuse(row, text, err, what);
}

static void
setting_format_int(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	snprintf(out, size, "%lld", (long long)*(const int64_t *)field);
}

/* In the largest unit that keeps it whole. */
static void
setting_size_text(int64_t n, char *out, size_t size)
{
	static const char units[] = { '\0', 'k', 'm', 'g' };
	size_t i;

	for (i = 0; i < nitems(units) - 1 && n != 0 && n % 1024 == 0; i++)
		n /= 1024;
	snprintf(out, size, "%lld%.1s", (long long)n, &units[i]);
}

static int
setting_parse_size(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	char min[32], max[32], what[160];

	if (str_parse_size(text, row->min, row->max, field) == 0)
		return 0;
	setting_size_text(row->min, min, sizeof(min));
	setting_size_text(row->max, max, sizeof(max));
	snprintf(what, sizeof(what), "is not a size from %s to %s "
	    "(bytes, or with k, m or g)", min, max);
	return setting_refuse(row, text, err, what);
}

static void
setting_format_size(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	setting_size_text(*(const int64_t *)field, out, size);
}

static int
setting_parse_time(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	char what[160];

	if (str_parse_time(text, row->min, row->max, field) == 0)
		return 0;
	snprintf(what, sizeof(what), "is not a time from %lld to %lld s "
	    "(seconds, or with ms, s, m, h or d)", (long long)row->min,
	    (long long)row->max);
	return setting_refuse(row, text, err, what);
}

static void
setting_format_time(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	int64_t ms = *(const int64_t *)field;

	if (ms % 1000 == 0)
		snprintf(out, size, "%llds", (long long)(ms / 1000));
	else
		snprintf(out, size, "%lldms", (long long)ms);
}

static int
setting_parse_bool(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	if (str_parse_bool(text, field) == 0)
		return 0;
	return setting_refuse(row, text, err, "is neither yes nor no");
}

static void
setting_format_bool(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	snprintf(out, size, "%s", *(const bool *)field ? "yes" : "no");
}

/* The next name in a list separated by commas; p NULL at its end. */
static bool
setting_next_choice(const char **at, struct str *name)
{
	if (**at == '\0')
		return false;
	name->p = *at;
	name->len = strcspn(*at, ",");
	*at += name->len + ((*at)[name->len] == ',');
	return true;
}

/* Names that other servers have for a choice. */
static const struct {
	const char	*setting;
	const char	*alias, *choice;
} setting_aliases[] = {
	{ "worker_class", "gthread", "threaded" },
	{ "worker_class", "asgi", "async" },
	{ "worker_class", "uvicorn.workers.UvicornWorker", "async" },
};

static const char *
setting_unalias(const struct setting *row, const char *text)
{
	size_t i;

	for (i = 0; i < nitems(setting_aliases); i++)
		if (strcmp(setting_aliases[i].setting, row->name) == 0 &&
		    strcmp(setting_aliases[i].alias, text) == 0)
			return setting_aliases[i].choice;
	return text;
}

static int
setting_parse_enum(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	const char *choice = setting_unalias(row, text), *at = row->choices;
	struct str word = { choice, strlen(choice) }, name;
	int i;

	for (i = 0; setting_next_choice(&at, &name); i++) {
		if (str_eq(word, name)) {
			*(int *)field = i;
			return 0;
		}
	}
	return err_set(err, "%s: %s is not known; choose one of: %s",
	    row->name, *text == '\0' ? "an empty value" : text, row->choices);
}

static void
setting_format_enum(const struct setting *row, const void *field, char *out,
    size_t size)
{
	const char *at = row->choices;
	struct str name;
	int i;

	for (i = 0; setting_next_choice(&at, &name); i++)
		if (i == *(const int *)field)
			snprintf(out, size, "%.*s", (int)name.len, name.p);
}

static int
setting_parse_str(const struct setting *row UNUSED, void *field,
    const char *text, struct err *err UNUSED)
{
	char **s = field;

	free(*s);
	*s = *text == '\0' ? NULL : xstrdup(text);
	return 0;
}

static void
setting_format_str(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	const char *s = *(char *const *)field;

	snprintf(out, size, "%s", s == NULL ? "" : s);
}

static void
setting_split_list(struct strlist *l, const char *text, char separator)
{
	char *copy = xstrdup(text), sep[2] = { separator, '\0' };
	char *rest = copy, *part;
	struct str s;

	while ((part = strsep(&rest, sep)) != NULL) {
		s = str_trim((struct str){ part, strlen(part) });
		part += s.p - part;
		part[s.len] = '\0';
		if (s.len > 0)
			strlist_add(l, part);
	}
	free(copy);
}

/* A row whose min is a separator takes several values at once. */
static int
setting_parse_list(const struct setting *row, void *field, const char *text,
    struct err *err UNUSED)
{
	if (row->min != '\0')
		setting_split_list(field, text, (char)row->min);
	else if (*text != '\0')
		strlist_add(field, text);
	return 0;
}

static void
setting_format_list(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	const struct strlist *l = field;
	size_t i, at = 0;

	for (i = 0; i < l->n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s",
		    i > 0 ? "\n" : "", l->v[i]);
}

static int
setting_parse_mode(const struct setting *row, void *field, const char *text,
    struct err *err)
{
	unsigned mode = SETTING_NO_MODE;

	if (*text != '\0' &&
	    (str_parse_mode(text, &mode) == -1 || mode > 0777))
		return setting_refuse(row, text, err,
		    "is not an octal mode up to 0777");
	*(unsigned *)field = mode;
	return 0;
}

static void
setting_format_mode(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	unsigned mode = *(const unsigned *)field;

	if (mode != SETTING_NO_MODE)
		snprintf(out, size, "%04o", mode);
}

static int
setting_parse_workers(const struct setting *row, void *field,
    const char *text, struct err *err)
{
	struct set_workers *w = field;
	int64_t n;

	if (strcmp(text, "auto") == 0) {
		*w = (struct set_workers){ .automatic = true };
		return 0;
	}
	if (str_parse_int(text, INT32_MIN, INT32_MAX, &n) == -1)
		return setting_refuse(row, text, err,
		    "is not a number or auto");
	if (n < row->min || n > row->max)
		return err_set(err, "%s: %s is not from %d to %d", row->name,
		    text, (int)row->min, (int)row->max);
	*w = (struct set_workers){ .min = (int)n, .max = (int)n };
	return 0;
}

static void
setting_format_workers(const struct setting *row UNUSED, const void *field,
    char *out, size_t size)
{
	const struct set_workers *w = field;

	if (w->automatic)
		snprintf(out, size, "auto");
	else
		snprintf(out, size, "%d", w->max);
}

#define SETTING_OPS(KIND, kind)						\
	[SET_##KIND] = { setting_parse_##kind, setting_format_##kind,	\
	    sizeof(SETTING_T_##KIND) }
static const struct setting_ops setting_kinds[] = {
	SETTING_OPS(INT, int),
	SETTING_OPS(SIZE, size),
	SETTING_OPS(TIME, time),
	SETTING_OPS(BOOL, bool),
	SETTING_OPS(ENUM, enum),
	SETTING_OPS(STR, str),
	SETTING_OPS(LIST, list),
	SETTING_OPS(MODE, mode),
	SETTING_OPS(WORKERS, workers),
};

/* name with - as _; false if it is longer than any name. */
static bool
setting_snake(const char *name, char *out, size_t size)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		if (i == size - 1)
			return false;
		out[i] = name[i] == '-' ? '_' : name[i];
	}
	out[i] = '\0';
	return true;
}

const struct setting *
setting_find(const char *name)
{
	char snake[SETTING_NAME_MAX];
	size_t i;

	if (!setting_snake(name, snake, sizeof(snake)))
		return NULL;
	for (i = 0; i < settings_count; i++)
		if (strcmp(settings_table[i].name, snake) == 0)
			return &settings_table[i];
	return NULL;
}

const char *
setting_nearest(const char *name)
{
	const char *names[nitems(settings_table) + 1];
	char snake[SETTING_NAME_MAX];
	size_t i;

	if (!setting_snake(name, snake, sizeof(snake)))
		return NULL;
	for (i = 0; i < settings_count; i++)
		names[i] = settings_table[i].name;
	names[i] = NULL;
	return str_nearest(snake, names);
}

int
setting_parse(const struct setting *row, void *base, const char *text,
    struct err *err)
{
	return setting_kinds[row->kind].parse(row, setting_field(row, base),
	    text, err);
}

void
setting_format(const struct setting *row, const void *base, char *out,
    size_t size)
{
	if (size > 0)
		out[0] = '\0';
	setting_kinds[row->kind].format(row, setting_const_field(row, base),
	    out, size);
}

static bool
setting_str_eq(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
setting_workers_eq(const struct set_workers *a, const struct set_workers *b)
{
	return a->automatic == b->automatic && a->min == b->min &&
	    a->max == b->max;
}

bool
setting_equal(const struct setting *row, const void *a, const void *b)
{
	const void *x = setting_const_field(row, a);
	const void *y = setting_const_field(row, b);

	switch (row->kind) {
	case SET_STR:
		return setting_str_eq(*(char *const *)x, *(char *const *)y);
	case SET_LIST:
		return strlist_eq(x, y);
	case SET_WORKERS:
		return setting_workers_eq(x, y);
	default:
		return memcmp(x, y, setting_kinds[row->kind].size) == 0;
	}
}

static void
setting_copy_list(struct strlist *to, const struct strlist *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		strlist_add(to, from->v[i]);
}

void
setting_copy(const struct setting *row, void *to, const void *from)
{
	void *x = setting_field(row, to);
	const void *y = setting_const_field(row, from);
	const char *s;

	setting_free(row, to);
	switch (row->kind) {
	case SET_STR:
		s = *(char *const *)y;
		*(char **)x = s == NULL ? NULL : xstrdup(s);
		break;
	case SET_LIST:
		setting_copy_list(x, y);
		break;
	default:
		memcpy(x, y, setting_kinds[row->kind].size);
		break;
	}
}

void
setting_free(const struct setting *row, void *base)
{
	void *field = setting_field(row, base);

	if (row->kind == SET_STR) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (row->kind == SET_LIST)
		strlist_fini(field);
}

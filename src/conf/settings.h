/* SPDX-License-Identifier: MIT */
/* The settings as structs and as a table, both made from settings.def. */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Number of workers: min..max, or automatic. */
struct set_workers {
	bool	automatic;
	int	min, max;		/* equal for a fixed number */
};

/* C types of the kinds. Unset STR is NULL; unset MODE is SETTING_NO_MODE. */
#define SETTING_T_INT		int64_t
#define SETTING_T_SIZE		int64_t		/* bytes */
#define SETTING_T_TIME		int64_t		/* milliseconds */
#define SETTING_T_BOOL		bool
#define SETTING_T_ENUM		int		/* index into choices */
#define SETTING_T_STR		char *
#define SETTING_T_LIST		struct strlist
#define SETTING_T_MODE		unsigned
#define SETTING_T_WORKERS	struct set_workers
#define SETTING_NO_MODE		((unsigned)-1)

#define MASTER(KIND, name, ...)	SETTING_T_##KIND name;
#define APP(KIND, name, ...)
struct master_settings {
#include "conf/settings.def"
};
#undef MASTER
#undef APP
#define MASTER(KIND, name, ...)
#define APP(KIND, name, ...)	SETTING_T_##KIND name;
struct app_settings {
#include "conf/settings.def"
};
#undef MASTER
#undef APP

/* Values of the ENUM settings, in the order of their choices. */
enum { CLASS_SYNC, CLASS_THREADED, CLASS_ASYNC };
enum { PROTOCOL_AUTO, PROTOCOL_FASTCGI, PROTOCOL_UWSGI };
enum { PATH_PARAMS, PATH_REQUEST_URI };
enum { SCHEME_AUTO, SCHEME_HTTP, SCHEME_HTTPS };
enum { INTERFACE_AUTO, INTERFACE_WSGI, INTERFACE_ASGI };

enum setting_kind {
	SET_INT, SET_SIZE, SET_TIME, SET_BOOL, SET_ENUM, SET_STR, SET_LIST,
	SET_MODE, SET_WORKERS
};
enum setting_scope { SCOPE_MASTER, SCOPE_APP };
enum setting_when { WHEN_LIVE, WHEN_WORKER, WHEN_BOOT };

struct setting {
	const char	*name;		/* snake_case, the key in the file */
	const char	*deflt;		/* as text */
	const char	*help;		/* one sentence */
	const char	*choices;	/* ENUM: separated by commas */
	int64_t		 min, max;
	size_t		 offset;	/* in its struct */
	enum setting_scope scope;
	enum setting_kind kind;
	enum setting_when when;
	char		 letter;	/* short option or 0 */
};
extern const struct setting settings_table[];
extern const size_t settings_count;

/* The row of this name ("keep_alive" or "keep-alive"), NULL if none. */
const struct setting *setting_find(const char *name);
/* The nearest name for "did you mean", NULL if none is near. */
const char *setting_nearest(const char *name);

/*
 * Parse text into the field of base (a struct of the row's scope). A LIST
 * appends. -1 with a sentence that names the setting, the value and what would
 * be right.
 */
int	setting_parse(const struct setting *, void *base, const char *text,
	    struct err *) MUSTCHECK;
/* The field as text, as the file would have it; a LIST has one per line. */
void	setting_format(const struct setting *, const void *base, char *out,
	    size_t size);
bool	setting_equal(const struct setting *, const void *a, const void *b);
void	setting_copy(const struct setting *, void *to, const void *from);
void	setting_free(const struct setting *, void *base);

#endif

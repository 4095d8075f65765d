/* SPDX-License-Identifier: MIT */
/*
 * The configuration: defaults, then the environment, then the file, then
 * SAOLA_CMD_ARGS (or GUNICORN_CMD_ARGS), then the command line. Const once
 * loaded; a reload loads a new one from the same arguments and swaps.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/settings.h"

/* One hosted application. */
struct conf_app {
	char	*name;			/* section name, or the module's */
	char	*where;			/* "file:line" or "command line" */
	char	**source;		/* per row of the table: who set it */
	bool	 inherits_env;		/* command-line application */
	struct app_settings s;
};

/* What the command line asked to be done. */
enum conf_action {
	CONF_RUN, CONF_CHECK, CONF_PRINT, CONF_HELP, CONF_VERSION,
	CONF_DOC			/* --doc man|conf|readme: for make docs */
};

struct conf {
	enum conf_action action;
	char	*doc;			/* which document, CONF_DOC */
	char	*file;			/* -c, NULL if none */
	char	*name;			/* instance: --name, file stem, module */
	char	**source;
	struct master_settings m;
	struct conf_app **apps;
	size_t	 napps;
};

/*
 * Load from these arguments. NULL with a sentence; err.code is 2 for the
 * command line and the file.
 */
struct conf *conf_load(int argc, char *const argv[], struct err *) MUSTCHECK;
void	conf_free(struct conf *);

/* The application's number of workers: a number, or automatic worked out. */
int	conf_workers(const struct conf_app *, char *why, size_t size);
/* Requests that one of them runs at once. */
int	conf_threads(const struct conf_app *);

/* --help, --print-config, and the documents made from the table, to stdout. */
void	conf_help(void);
void	conf_print(const struct conf *);
int	conf_doc(const char *which, struct err *) MUSTCHECK;

#define SAOLA_VERSION "0.1.0"

#endif

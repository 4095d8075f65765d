/* SPDX-License-Identifier: MIT */
/* The command line: getopt_long over options made from the settings table. */
#ifndef CONF_CLI_H
#define CONF_CLI_H

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/layer.h"

/* Options that are no settings. */
struct cli_action {
	const char	*name;
	char		 letter;	/* 0 if none */
	const char	*value;		/* NULL: it takes none */
	enum conf_action action;	/* CONF_RUN: --config */
	const char	*help;		/* NULL: not for users */
};
extern const struct cli_action cli_actions[];
extern const size_t cli_actions_count;

struct cli {
	enum conf_action action;
	char		*doc;		/* --doc */
	char		*file;		/* --config */
	struct layer	 set;
};

/*
 * argv[0] is passed over. Start with zeroes; fini also after a failure. where
 * is who wrote it: "command line". -1 with a sentence, code 2.
 */
int	cli_parse(struct cli *, int argc, char *const argv[],
	    const char *where, struct err *) MUSTCHECK;
/* The same from a text, divided into words as a shell does. */
int	cli_parse_text(struct cli *, const char *text, const char *where,
	    struct err *) MUSTCHECK;
void	cli_fini(struct cli *);

#endif

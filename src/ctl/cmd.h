/* SPDX-License-Identifier: MIT */
/* A command of saolactl: what it asks for, and how it shows the answer. */
#ifndef CTL_CMD_H
#define CTL_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

struct cmd {
	const char	*name;		/* as the master knows it */
	const char	*usage;		/* the words behind it */
	const char	*help;
	size_t		 min, max;	/* how many words */
	bool		 patient;	/* the answer may take its time */
	bool		 to_the_end;	/* wait for that of the master */
	/* Show the answer of one that went well; NULL: silence is enough. */
	void		(*show)(const struct json *);
};

extern const struct cmd cmd_status, cmd_workers, cmd_reload, cmd_scale,
    cmd_upgrade, cmd_stop;

/* A text of the answer as it may go to a terminal; up to four at once. */
const char *cmd_text(const struct json *, const char *name);
/* "41 s", "3 min", "2 h", "5 d" */
const char *cmd_time(int64_t ms);

#endif

/* SPDX-License-Identifier: MIT */
/* saolactl reload: what ExecReload= runs, so that a failure shows there. */
#include "ctl/cmd.h"

const struct cmd cmd_reload = {
	.name = "reload", .usage = " [APP]",
	.help = "Read the settings and the code again; returns when the new "
	    "workers serve.",
	.max = 1, .patient = true
};

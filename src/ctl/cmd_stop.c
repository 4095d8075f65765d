/* SPDX-License-Identifier: MIT */
/* saolactl stop: returns when the master has ended. */
#include "ctl/cmd.h"

const struct cmd cmd_stop = {
	.name = "stop", .usage = " [fast]",
	.help = "Stop when running requests are finished, or at once.",
	.max = 1, .to_the_end = true
};

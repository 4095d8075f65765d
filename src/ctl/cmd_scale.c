/* SPDX-License-Identifier: MIT */
/* saolactl scale: TTIN and TTOU of one application. */
#include "ctl/cmd.h"

const struct cmd cmd_scale = {
	.name = "scale", .usage = " APP N",
	.help = "Run N workers of an application, until the next reload.",
	.min = 2, .max = 2
};

/* SPDX-License-Identifier: MIT */
/* saolactl upgrade: as USR2, with an answer. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/cmd.h"

static void
upgrade_show(const struct json *answer)
{
	printf("master %" PRId64 "\n", json_find_int(answer, "pid"));
}

const struct cmd cmd_upgrade = {
	.name = "upgrade", .usage = "",
	.help = "Put the program file of now in the place of the running one.",
	.patient = true, .show = upgrade_show
};

/* SPDX-License-Identifier: MIT */
/* saolactl workers: a line for each process. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/cmd.h"

static void
workers_show_one(const struct json *w)
{
	const struct json *request = json_find(w, "request");
	int64_t running = json_find_int(w, "running");

	printf("%-16s ", cmd_text(w, "app"));
	if (json_find(w, "id") == NULL)
		printf("%8s", "template");
	else
		printf("%8" PRId64, json_find_int(w, "id"));
	printf(" %8" PRId64 " %4" PRId64 " %-8s %10" PRId64,
	    json_find_int(w, "pid"), json_find_int(w, "generation"),
	    cmd_text(w, "state"), json_find_int(w, "requests"));
	if (request != NULL)
		printf("  %s %s for %" PRId64 " ms",
		    cmd_text(request, "method"), cmd_text(request, "uri"),
		    json_find_int(request, "ms"));
	if (running > 1)
		printf(" and %" PRId64 " more", running - 1);
	putchar('\n');
}

static void
workers_show(const struct json *answer)
{
	const struct json *list = json_find(answer, "workers"), *w;

	printf("%-16s %8s %8s %4s %-8s %10s  %s\n", "APPLICATION", "WORKER",
	    "PID", "GEN", "STATE", "REQUESTS", "SERVES");
	for (w = list != NULL ? list->first : NULL; w != NULL; w = w->next)
		workers_show_one(w);
}

const struct cmd cmd_workers = {
	.name = "workers", .usage = "",
	.help = "Show its processes and what they do.",
	.show = workers_show
};

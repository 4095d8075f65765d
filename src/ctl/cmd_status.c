/* SPDX-License-Identifier: MIT */
/* saolactl status: the instance, and a line for each application. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/cmd.h"

static void
status_show_listeners(const struct json *app)
{
	const struct json *list = json_find(app, "listen"), *l;

	for (l = list != NULL ? list->first : NULL; l != NULL; l = l->next)
		printf("%s%s", l == list->first ? "  " : ", ", l->text);
}

static void
status_show_app(const struct json *app)
{
	int64_t draining = json_find_int(app, "draining");

	printf("%-16s %-9s %4" PRId64 "/%-4" PRId64 " %4" PRId64
	    " %10" PRId64, cmd_text(app, "name"), cmd_text(app, "state"),
	    json_find_int(app, "ready"), json_find_int(app, "wanted"),
	    json_find_int(app, "busy"), json_find_int(app, "requests"));
	status_show_listeners(app);
	if (draining > 0)
		printf("  (%" PRId64 " of the old generation)", draining);
	putchar('\n');
}

static void
status_show(const struct json *answer)
{
	const struct json *apps = json_find(answer, "apps"), *app;

	printf("saola %s, %s: master %" PRId64 ", %s for %s\n\n",
	    cmd_text(answer, "version"), cmd_text(answer, "name"),
	    json_find_int(answer, "pid"), cmd_text(answer, "state"),
	    cmd_time(json_find_int(answer, "uptime_ms")));
	printf("%-16s %-9s %-9s %4s %10s  %s\n", "APPLICATION", "STATE",
	    "   READY", "BUSY", "REQUESTS", "LISTENS ON");
	for (app = apps != NULL ? apps->first : NULL; app != NULL;
	    app = app->next)
		status_show_app(app);
}

const struct cmd cmd_status = {
	.name = "status", .usage = "",
	.help = "Show the instance and its applications.",
	.show = status_show
};

/* SPDX-License-Identifier: MIT */
/* What the commands show alike. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ctl/cmd.h"

const char *
cmd_text(const struct json *j, const char *name)
{
	static char texts[4][4096];
	static unsigned turn;
	const char *text = json_find_text(j, name);
	char *out = texts[turn++ % nitems(texts)];

	log_escape(out, sizeof(texts[0]), text, strlen(text));
	return out;
}

const char *
cmd_time(int64_t ms)
{
	static const struct {
		int64_t		 seconds;
		const char	*unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" } };
	static char text[32];
	size_t i;

	for (i = 0; i < nitems(units); i++)
		if (ms / 1000 >= 2 * units[i].seconds)
			break;
	snprintf(text, sizeof(text), "%" PRId64 " %s", i < nitems(units) ?
	    ms / 1000 / units[i].seconds : ms / 1000,
	    i < nitems(units) ? units[i].unit : "s");
	return text;
}

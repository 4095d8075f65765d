/* SPDX-License-Identifier: MIT */
/* libevent's bases, made one way, and its messages in our log. */
#include <errno.h>

#include <event2/event.h>

#include "base/attr.h"
#include "base/log.h"
#include "event/evbase.h"

static _Thread_local bool evbase_quiet;

static void
evbase_on_log(int severity, const char *text)
{
	if (evbase_quiet)
		return;
	if (severity == EVENT_LOG_ERR)
		log_critx("libevent: %s", text);
	else if (severity == EVENT_LOG_WARN)
		log_warnx("libevent: %s", text);
	else
		log_debug("libevent: %s", text);
}

void
evbase_set_quiet(bool quiet)
{
	evbase_quiet = quiet;
}

struct event_base *
evbase_new(void)
{
	struct event_config *cfg;
	struct event_base *base = NULL;

	event_set_log_callback(evbase_on_log);
	if ((cfg = event_config_new()) == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
	    EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

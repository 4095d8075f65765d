/* SPDX-License-Identifier: MIT */
/* Gunicorn's names. */
#include <string.h>

#include "base/log.h"
#include "conf/gunicorn.h"

#define TLS	"TLS is the proxy's: set it up there"
#define PROXY	"the PROXY protocol is the proxy's: it passes the client's " \
	"address as REMOTE_ADDR"
#define DIRTY	"saola has no dirty workers: run them as another [app NAME]"
#define HTTP	"requests are parsed by the proxy"

const struct gunicorn_name gunicorn_names[] = {
	/* Other spellings. */
	{ "wsgi-app", GUNICORN_ALIAS, true, "application" },
	{ "preload-app", GUNICORN_ALIAS, false, "preload" },
	{ "uwsgi-allow-from", GUNICORN_ALIAS, true, "allow_from" },
	{ "forwarded-allow-ips", GUNICORN_ALIAS, true, "trusted_proxies" },
	{ "log-file", GUNICORN_ALIAS, true, "error_logfile" },
	{ "limit-request-field_size", GUNICORN_ALIAS, true,
	    "limit_request_field_size" },

	/* Names that only gunicorn.conf.py knows. */
	{ "proc-name", GUNICORN_RENAMED, true, "name" },
	{ "pidfile", GUNICORN_RENAMED, true, "pid" },
	{ "errorlog", GUNICORN_RENAMED, true, "error_logfile" },
	{ "accesslog", GUNICORN_RENAMED, true, "access_logfile" },
	{ "access-log-format", GUNICORN_RENAMED, true, "access_logformat" },
	{ "loglevel", GUNICORN_RENAMED, true, "log_level" },
	{ "keepalive", GUNICORN_RENAMED, true, "keep_alive" },
	{ "raw-env", GUNICORN_RENAMED, true, "env" },

	/* Not needed here. */
	{ "reuse-port", GUNICORN_NO_EFFECT, false,
	    "a worker's own socket would lose its queue with the worker" },
	{ "worker-tmp-dir", GUNICORN_NO_EFFECT, true,
	    "workers are watched through shared memory" },
	{ "initgroups", GUNICORN_NO_EFFECT, false,
	    "supplementary groups are always set" },
	{ "enable-stdio-inheritance", GUNICORN_NO_EFFECT, false,
	    "output is never buffered away" },
	{ "disable-redirect-access-to-syslog", GUNICORN_NO_EFFECT, false,
	    "access_logfile alone says where the access log goes" },
	{ "no-control-socket", GUNICORN_NO_EFFECT, false,
	    "there is no control socket" },
	{ "paste", GUNICORN_NO_EFFECT, true,
	    "name a factory as MODULE:FACTORY()" },
	{ "paster", GUNICORN_NO_EFFECT, true,
	    "name a factory as MODULE:FACTORY()" },
	{ "spew", GUNICORN_NO_EFFECT, false,
	    "trace the application in Python" },
	{ "permit-obsolete-folding", GUNICORN_NO_EFFECT, false, HTTP },
	{ "permit-unconventional-http-method", GUNICORN_NO_EFFECT, false,
	    HTTP },
	{ "permit-unconventional-http-version", GUNICORN_NO_EFFECT, false,
	    HTTP },
	{ "casefold-http-method", GUNICORN_NO_EFFECT, false, HTTP },
	{ "strip-header-spaces", GUNICORN_NO_EFFECT, false, HTTP },
	{ "header-map", GUNICORN_NO_EFFECT, true, HTTP },
	{ "forwarder-headers", GUNICORN_NO_EFFECT, true, HTTP },
	{ "http-protocols", GUNICORN_NO_EFFECT, true, HTTP },

	/* What somebody relies on must not be missing in silence. */
	{ "certfile", GUNICORN_REFUSED, true, TLS },
	{ "keyfile", GUNICORN_REFUSED, true, TLS },
	{ "ca-certs", GUNICORN_REFUSED, true, TLS },
	{ "cert-reqs", GUNICORN_REFUSED, true, TLS },
	{ "ciphers", GUNICORN_REFUSED, true, TLS },
	{ "ssl-version", GUNICORN_REFUSED, true, TLS },
	{ "do-handshake-on-connect", GUNICORN_REFUSED, false, TLS },
	{ "suppress-ragged-eofs", GUNICORN_REFUSED, false, TLS },
	{ "proxy-protocol", GUNICORN_REFUSED, false, PROXY },
	{ "proxy-allow-from", GUNICORN_REFUSED, true, PROXY },
	{ "dirty-app", GUNICORN_REFUSED, true, DIRTY },
	{ "dirty-workers", GUNICORN_REFUSED, true, DIRTY },
	{ "dirty-threads", GUNICORN_REFUSED, true, DIRTY },
	{ "dirty-timeout", GUNICORN_REFUSED, true, DIRTY },
	{ "dirty-graceful-timeout", GUNICORN_REFUSED, true, DIRTY },
	{ "logger-class", GUNICORN_REFUSED, true,
	    "saola's log is written in C: configure Python's logging in the "
	    "application" },
};
const size_t gunicorn_count = nitems(gunicorn_names);

/* Keys are options with _ for -. */
static bool
gunicorn_is_same(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
		if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
			return false;
	return *a == *b;
}

const struct gunicorn_name *
gunicorn_find(const char *name)
{
	size_t i;

	for (i = 0; i < gunicorn_count; i++)
		if (gunicorn_is_same(gunicorn_names[i].name, name))
			return &gunicorn_names[i];
	return NULL;
}

int
gunicorn_resolve(const struct gunicorn_name *g, const char *where,
    const struct setting **row, struct err *err)
{
	*row = NULL;
	switch (g->verdict) {
	case GUNICORN_ALIAS:
		*row = setting_find(g->text);
		return 0;
	case GUNICORN_NO_EFFECT:
		log_warnx("%s: %s has no effect: %s", where, g->name, g->text);
		return 0;
	case GUNICORN_RENAMED:
		return err_set(err, "%s is called %s here", g->name, g->text);
	case GUNICORN_REFUSED:
		break;
	}
	return err_set(err, "there is no %s: %s", g->name, g->text);
}

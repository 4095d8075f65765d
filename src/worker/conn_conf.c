/* SPDX-License-Identifier: MIT */
/* From an application's settings to what connections are told. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "req/access_log.h"
#include "worker/conn_conf.h"

#define BODIES_IN_MEMORY	16	/* of the largest size, in a worker */

static int
conn_conf_trusted(struct conn_conf *conf, const struct strlist *l,
    struct err *err)
{
	struct addr_net *v;
	size_t i;

	if (l->n == 0)
		return 0;
	v = xcalloc(l->n, sizeof(*v));
	for (i = 0; i < l->n; i++)
		if (addr_net_parse(l->v[i], &v[i], err) == -1)
			return err_prefix(err, "trusted_proxies");
	conf->trusted = v;
	conf->ntrusted = l->n;
	return 0;
}

static struct str
conn_conf_str(const char *s)
{
	return (struct str){ s != NULL ? s : "", s != NULL ? strlen(s) : 0 };
}

static void
conn_conf_params(struct params_conf *p, const struct app_settings *s)
{
	p->count_max = (uint16_t)s->params_count;
	p->line_max = (size_t)s->limit_request_line;
	p->fields_max = (size_t)s->limit_request_fields;
	p->field_size_max = (size_t)s->limit_request_field_size;
	p->from_uri = s->path_source == PATH_REQUEST_URI;
	p->remote_user = s->remote_user;
	p->root_path = conn_conf_str(s->root_path);
	while (p->root_path.len > 0 &&
	    p->root_path.p[p->root_path.len - 1] == '/')
		p->root_path.len--;
	if (s->url_scheme == SCHEME_HTTP)
		p->scheme = STR("http");
	else if (s->url_scheme == SCHEME_HTTPS)
		p->scheme = STR("https");
}

static void
conn_conf_body(struct body_conf *b, const struct app_settings *s)
{
	const char *tmp = getenv("TMPDIR");

	b->memory = (size_t)s->body_memory;
	b->memory_sum = b->memory * BODIES_IN_MEMORY;
	b->limit = (uint64_t)s->body_limit;
	b->dir = s->spool_dir != NULL && s->spool_dir[0] != '\0' ?
	    s->spool_dir : tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp";
}

static int
conn_conf_access(struct req_conf *req, const struct app_settings *s,
    struct err *err)
{
	struct access_format *format;

	if (s->access_logfile == NULL || s->access_logfile[0] == '\0')
		return 0;
	if ((format = access_compile(s->access_logformat, err)) == NULL)
		return -1;
	if ((req->access = access_log_open(s->access_logfile, format,
	    err)) == NULL) {
		access_free(format);
		return -1;
	}
	return 0;
}

int
conn_conf_load(struct conn_conf *conf, const struct worker *w, struct err *err)
{
	const struct app_settings *s = &w->app->s;

	memset(conf, 0, sizeof(*conf));
	if (s->protocol != PROTOCOL_AUTO)
		conf->proto = protos[s->protocol - 1];
	conf->limits.max_conns = (uint32_t)(conf_workers(w->app, NULL, 0) *
	    conf_threads(w->app));
	conf->limits.streams = 1;
	conf->client_ms = s->client_timeout;
	conf->keep_ms = s->keep_alive;
	conf->drain_ms = s->drain_timeout;
	conf->drain_limit = (uint64_t)s->drain_limit;
	conf->req.params_size = (size_t)s->params_size;
	conf->req.sendfile = s->sendfile;
	conf->req.proxy_stderr = s->proxy_stderr;
	conf->req.app_name = w->app->name;
	conf->req.worker_id = w->id;
	conn_conf_params(&conf->req.params, s);
	conn_conf_body(&conf->req.body, s);
	if (conn_conf_trusted(conf, &s->trusted_proxies, err) == -1)
		return -1;
	return conn_conf_access(&conf->req, s, err);
}

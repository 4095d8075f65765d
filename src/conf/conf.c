/* SPDX-License-Identifier: MIT */
/* The configuration: layers put on each other, then checked as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/cli.h"
#include "conf/conf.h"
#include "conf/layer.h"
#include "conf/machine.h"
#include "conf/sections.h"

#define CONF_LINE	"command line"	/* who set it: source, where */
#define CONF_BIND	"127.0.0.1:8000"

/* All that was given, lowest first. */
struct conf_input {
	struct layer	 env;
	struct sections	 file;
	struct cli	 args;		/* SAOLA_CMD_ARGS */
	struct cli	 line;
};

struct conf_env {
	const char	*variable;
	const char	*setting;
	const char	*where;
};

static const struct conf_env conf_envs[] = {
	{ "WEB_CONCURRENCY", "workers", "environment WEB_CONCURRENCY" },
	{ "FORWARDED_ALLOW_IPS", "trusted_proxies",
	    "environment FORWARDED_ALLOW_IPS" },
	{ "SCRIPT_NAME", "root_path", "environment SCRIPT_NAME" },
	{ "SENDFILE", "sendfile", "environment SENDFILE" },
};

/* A variable that is set and not empty, else NULL. */
static const char *
conf_getenv(const char *name)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? text : NULL;
}

static void
conf_read_env(struct layer *l)
{
	const struct conf_env *e;
	const char *text;

	for (e = conf_envs; e < conf_envs + nitems(conf_envs); e++)
		if ((text = conf_getenv(e->variable)) != NULL)
			layer_add(l, setting_find(e->setting), text, e->where);
}

/* Things an operator may wonder about; once, not at each reload. */
static void
conf_tell_env(bool gunicorn_args)
{
	static bool told;

	if (told)
		return;
	told = true;
	if (gunicorn_args)
		log_info("options are taken from GUNICORN_CMD_ARGS, since "
		    "SAOLA_CMD_ARGS is not set");
	if (conf_getenv("PORT") != NULL)
		log_info("PORT is ignored, as its setter expects HTTP; "
		    "use --bind");
}

static int
conf_read_args(struct cli *args, struct err *err)
{
	const char *name = "SAOLA_CMD_ARGS", *text = getenv(name);
	bool gunicorn = false;

	if (text == NULL) {
		name = "GUNICORN_CMD_ARGS";
		text = conf_getenv(name);
		gunicorn = text != NULL;
	}
	conf_tell_env(gunicorn);
	return text == NULL ? 0 : cli_parse_text(args, text, name, err);
}

static const char *
conf_file(const struct conf_input *in)
{
	return in->line.file != NULL ? in->line.file : in->args.file;
}

static int
conf_read(struct conf_input *in, int argc, char *const argv[],
    struct err *err)
{
	if (cli_parse(&in->line, argc, argv, CONF_LINE, err) == -1)
		return -1;
	switch (in->line.action) {
	case CONF_HELP:
	case CONF_VERSION:
	case CONF_DOC:
		return 0;
	default:
		break;
	}
	conf_read_env(&in->env);
	if (conf_read_args(&in->args, err) == -1)
		return -1;
	if (in->line.action == CONF_RUN)
		in->line.action = in->args.action;
	if (conf_file(in) == NULL)
		return 0;
	return sections_load(&in->file, conf_file(in), err);
}

static void
conf_input_fini(struct conf_input *in)
{
	layer_fini(&in->env);
	sections_fini(&in->file);
	cli_fini(&in->args);
	cli_fini(&in->line);
}

/* Put all layers of a scope on base; app is an [app NAME] section or NULL. */
static int
conf_apply(const struct conf_input *in, enum setting_scope scope,
    const struct section *app, void *base, char **source, struct err *err)
{
	const struct section *common = sections_find(&in->file,
	    scope == SCOPE_MASTER ? SECTION_SAOLA : SECTION_DEFAULTS);
	const struct layer *layers[] = {
		&in->env,
		common != NULL ? &common->set : NULL,
		app != NULL ? &app->set : NULL,
		&in->args.set,
		&in->line.set,
	};
	size_t i;

	layer_defaults(scope, base, source);
	for (i = 0; i < nitems(layers); i++)
		if (layers[i] != NULL && layer_apply(layers[i], scope, base,
		    source, err) == -1)
			return -1;
	return 0;
}

/* The part of "pkg.module:callable" in front of the colon, fit for a name. */
static char *
conf_module_name(const char *application)
{
	char *name = xstrndup(application, strcspn(application, ":(")), *c;

	for (c = name; *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80 || strchr(" \t[]/", *c) != NULL)
			*c = '_';
	return name;
}

/* "conf/shop.conf" is called shop. */
static char *
conf_stem(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	if (dot == NULL || dot == base)
		return xstrdup(base);
	return xstrndup(base, (size_t)(dot - base));
}

static int
conf_add_app(struct conf *c, const struct conf_input *in,
    const struct section *section, struct err *err)
{
	struct conf_app *app = xcalloc(1, sizeof(*app));

	c->apps = xreallocarray(c->apps, c->napps + 1, sizeof(app));
	c->apps[c->napps++] = app;
	app->source = xcalloc(settings_count, sizeof(char *));
	app->inherits_env = section == NULL;
	app->where = xstrdup(section == NULL ? CONF_LINE : section->where);
	if (conf_apply(in, SCOPE_APP, section, &app->s, app->source,
	    err) == -1)
		return -1;
	app->name = section != NULL ? xstrdup(section->name) :
	    conf_module_name(app->s.application);
	return 0;
}

/* The application that the command line names, NULL if it names none. */
static const char *
conf_line_application(const struct conf_input *in)
{
	const struct setting *row = setting_find("application");
	const struct layer_item *item = layer_find(&in->line.set, row);

	if (item == NULL)
		item = layer_find(&in->args.set, row);
	return item == NULL || *item->text == '\0' ? NULL : item->text;
}

static int
conf_refuse_no_app(const struct conf_input *in, struct err *err)
{
	if (conf_file(in) != NULL)
		return err_setc(err, 2, "%s: no [app NAME] section, and no "
		    "application on the command line", conf_file(in));
	return err_setc(err, 2, "no application; usage: saola [OPTIONS] "
	    "MODULE:CALLABLE, or saola [OPTIONS] -c FILE");
}

static int
conf_add_apps(struct conf *c, const struct conf_input *in, struct err *err)
{
	const char *application = conf_line_application(in);
	size_t i, n = sections_count_apps(&in->file);

	if (n == 0 && application == NULL)
		return conf_refuse_no_app(in, err);
	if (n == 0)
		return conf_add_app(c, in, NULL, err);
	if (n > 1 && application != NULL)
		return err_setc(err, 2, CONF_LINE ": which of the %zu "
		    "applications in %s is %s?", n, conf_file(in), application);
	for (i = 0; i < in->file.n; i++)
		if (in->file.v[i]->kind == SECTION_APP &&
		    conf_add_app(c, in, in->file.v[i], err) == -1)
			return -1;
	return 0;
}

static void
conf_set_name(struct conf *c)
{
	if (c->m.name == NULL)
		c->m.name = c->file != NULL ? conf_stem(c->file) :
		    xstrdup(c->apps[0]->name);
	c->name = xstrdup(c->m.name);
}

/* A sentence about a setting, with the place it comes from; returns -1. */
static int
conf_refuse(const struct conf_app *app, const char *setting, const char *text,
    struct err *err)
{
	return err_setc(err, 2, "%s: %s: %s",
	    layer_source(app->source, setting_find(setting)), setting, text);
}

static int
conf_check_application(struct conf_app *app, struct err *err)
{
	if (app->s.application != NULL)
		return 0;
	return err_setc(err, 2, "%s: app %s has no application", app->where,
	    app->name);
}

/* Sockets that systemd passes count: which is whose is found out later. */
static int
conf_check_bind(struct conf_app *app, struct err *err)
{
	if (app->s.bind.n > 0 || conf_getenv("LISTEN_FDS") != NULL)
		return 0;
	if (!app->inherits_env)
		return err_setc(err, 2, "%s: app %s has no bind", app->where,
		    app->name);
	strlist_add(&app->s.bind, CONF_BIND);
	layer_set_source(app->source, setting_find("bind"), "default");
	return 0;
}

static int
conf_check_env(struct conf_app *app, struct err *err)
{
	const char *text;
	char what[256];
	size_t i;

	for (i = 0; i < app->s.env.n; i++) {
		text = app->s.env.v[i];
		if (*text != '=' && strchr(text, '=') != NULL)
			continue;
		snprintf(what, sizeof(what), "%.200s is not NAME=VALUE", text);
		return conf_refuse(app, "env", what, err);
	}
	return 0;
}

static int
conf_check_root_path(struct conf_app *app, struct err *err)
{
	const char *path = app->s.root_path;

	if (path == NULL)
		return 0;
	if (*path != '/')
		return conf_refuse(app, "root_path", "must begin with /", err);
	if (path[strlen(path) - 1] == '/')
		return conf_refuse(app, "root_path", "must not end with /",
		    err);
	return 0;
}

/* As Gunicorn does; a reader of --print-config sees why. */
static int
conf_check_threads(struct conf_app *app, struct err *err UNUSED)
{
	if (app->s.worker_class != CLASS_SYNC || app->s.threads == 1)
		return 0;
	app->s.worker_class = CLASS_THREADED;
	layer_set_source(app->source, setting_find("worker_class"),
	    "threads is more than 1");
	log_info("app %s: the class of its workers is threaded, since threads "
	    "is %d", app->name, (int)app->s.threads);
	return 0;
}

static int
conf_check_app(struct conf_app *app, struct err *err)
{
	static int (*const checks[])(struct conf_app *, struct err *) = {
		conf_check_application,
		conf_check_bind,
		conf_check_env,
		conf_check_root_path,
		conf_check_threads,
	};
	size_t i;

	for (i = 0; i < nitems(checks); i++)
		if (checks[i](app, err) == -1)
			return -1;
	return 0;
}

/* The application before the i-th bind of apps[n] that has the same one. */
static const struct conf_app *
conf_same_bind(const struct conf *c, size_t n, size_t i)
{
	const char *bind = c->apps[n]->s.bind.v[i];
	const struct strlist *l;
	size_t a, j;

	for (a = 0; a <= n; a++) {
		l = &c->apps[a]->s.bind;
		for (j = 0; j < (a < n ? l->n : i); j++)
			if (strcmp(l->v[j], bind) == 0)
				return c->apps[a];
	}
	return NULL;
}

static int
conf_check_same_binds(const struct conf *c, size_t n, struct err *err)
{
	const struct conf_app *app = c->apps[n], *other;
	size_t i;

	for (i = 0; i < app->s.bind.n; i++)
		if ((other = conf_same_bind(c, n, i)) != NULL)
			return err_setc(err, 2, "%s: bind %s is already app "
			    "%s's (%s)", layer_source(app->source,
			    setting_find("bind")), app->s.bind.v[i],
			    other->name, layer_source(other->source,
			    setting_find("bind")));
	return 0;
}

static int
conf_check(struct conf *c, struct err *err)
{
	size_t i;

	for (i = 0; i < c->napps; i++)
		if (conf_check_app(c->apps[i], err) == -1 ||
		    conf_check_same_binds(c, i, err) == -1)
			return -1;
	return 0;
}

static int
conf_build(struct conf *c, const struct conf_input *in, struct err *err)
{
	const char *file = conf_file(in);

	c->file = file == NULL ? NULL : xstrdup(file);
	if (conf_apply(in, SCOPE_MASTER, NULL, &c->m, c->source, err) == -1 ||
	    conf_add_apps(c, in, err) == -1)
		return -1;
	conf_set_name(c);
	return conf_check(c, err);
}

struct conf *
conf_load(int argc, char *const argv[], struct err *err)
{
	struct conf_input in = { 0 };
	struct conf *c = xcalloc(1, sizeof(*c));
	int ret;

	c->source = xcalloc(settings_count, sizeof(char *));
	ret = conf_read(&in, argc, argv, err);
	c->action = in.line.action;
	switch (c->action) {
	case CONF_HELP:
	case CONF_VERSION:
		break;
	case CONF_DOC:
		c->doc = xstrdup(in.line.doc != NULL ? in.line.doc :
		    in.args.doc);
		break;
	default:
		if (ret == 0)
			ret = conf_build(c, &in, err);
		break;
	}
	conf_input_fini(&in);
	if (ret == 0)
		return c;
	conf_free(c);
	return NULL;
}

static void
conf_free_settings(enum setting_scope scope, void *base, char **source)
{
	size_t i;

	for (i = 0; i < settings_count; i++) {
		if (settings_table[i].scope == scope)
			setting_free(&settings_table[i], base);
		free(source[i]);
	}
	free(source);
}

static void
conf_free_app(struct conf_app *app)
{
	conf_free_settings(SCOPE_APP, &app->s, app->source);
	free(app->name);
	free(app->where);
	free(app);
}

void
conf_free(struct conf *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->napps; i++)
		conf_free_app(c->apps[i]);
	free(c->apps);
	conf_free_settings(SCOPE_MASTER, &c->m, c->source);
	free(c->doc);
	free(c->file);
	free(c->name);
	free(c);
}

int
conf_workers(const struct conf_app *app, char *why, size_t size)
{
	const struct set_workers *w = &app->s.workers;
	struct machine m;

	if (!w->automatic) {
		snprintf(why, size, "%s", layer_source(app->source,
		    setting_find("workers")));
		return w->max;
	}
	machine_read("", &m);
	return machine_workers(&m, app->s.worker_class == CLASS_SYNC, why,
	    size);
}

int
conf_threads(const struct conf_app *app)
{
	return app->s.worker_class == CLASS_THREADED ? (int)app->s.threads : 1;
}

/* SPDX-License-Identifier: MIT */
/* The command line. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/cli.h"
#include "conf/gunicorn.h"

#define CLI_LONG	256	/* getopt's values of long options begin here */

const struct cli_action cli_actions[] = {
	{ "config", 'c', "FILE", CONF_RUN,
	    "Read settings and applications from this file." },
	{ "check-config", 0, NULL, CONF_CHECK,
	    "Check settings and applications, then leave." },
	{ "print-config", 0, NULL, CONF_PRINT,
	    "Print all settings and where each comes from." },
	{ "help", 'h', NULL, CONF_HELP, "Print this help." },
	{ "version", 'v', NULL, CONF_VERSION, "Print the version." },
	{ "doc", 0, "man|conf|readme", CONF_DOC, NULL },
};
const size_t cli_actions_count = nitems(cli_actions);

/* A long option: it has one of the three. */
struct cli_option {
	const struct setting *row;
	const struct cli_action *action;
	const struct gunicorn_name *gunicorn;
	bool		 negated;	/* --no-NAME */
};

/* What getopt is given. Entry i of both arrays has the value CLI_LONG + i. */
struct cli_options {
	struct cli_option *v;
	struct option	*longs;
	char		*shorts;
	size_t		 n;
};

static void
cli_add_option(struct cli_options *o, const char *prefix, const char *name,
    bool has_value, struct cli_option option)
{
	char *text, *c;

	xasprintf(&text, "%s%s", prefix, name);
	if (option.row != NULL)
		for (c = text; *c != '\0'; c++)
			if (*c == '_')
				*c = '-';
	o->v[o->n] = option;
	o->longs[o->n] = (struct option){
		.name = text, .val = CLI_LONG + (int)o->n,
		.has_arg = has_value ? required_argument : no_argument,
	};
	o->n++;
}

static void
cli_add_letter(struct cli_options *o, char letter, bool has_value)
{
	size_t at = strlen(o->shorts);

	if (letter == 0)
		return;
	o->shorts[at++] = letter;
	if (has_value)
		o->shorts[at++] = ':';
	o->shorts[at] = '\0';
}

static void
cli_add_setting(struct cli_options *o, const struct setting *row)
{
	bool is_bool = row->kind == SET_BOOL;

	cli_add_option(o, "", row->name, !is_bool,
	    (struct cli_option){ .row = row });
	if (is_bool)
		cli_add_option(o, "no-", row->name, false,
		    (struct cli_option){ .row = row, .negated = true });
	cli_add_letter(o, row->letter, !is_bool);
}

static void
cli_options_init(struct cli_options *o)
{
	size_t i, max = 2 * settings_count + cli_actions_count +
	    gunicorn_count + 1;
	const struct cli_action *a;

	o->n = 0;
	o->v = xcalloc(max, sizeof(*o->v));
	o->longs = xcalloc(max, sizeof(*o->longs));
	o->shorts = xcalloc(max, 2);
	/* Operands come in order, a missing value is told from a bad option. */
	strcpy(o->shorts, "-:");
	for (i = 0; i < settings_count; i++)
		cli_add_setting(o, &settings_table[i]);
	for (a = cli_actions; a < cli_actions + cli_actions_count; a++) {
		cli_add_option(o, "", a->name, a->value != NULL,
		    (struct cli_option){ .action = a });
		cli_add_letter(o, a->letter, a->value != NULL);
	}
	for (i = 0; i < gunicorn_count; i++)
		cli_add_option(o, "", gunicorn_names[i].name,
		    gunicorn_names[i].has_value,
		    (struct cli_option){ .gunicorn = &gunicorn_names[i] });
}

static void
cli_options_fini(struct cli_options *o)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		free((void *)(uintptr_t)o->longs[i].name);
	free(o->v);
	free(o->longs);
	free(o->shorts);
}

/* The option of a letter: its long one. Letters are few and unique. */
static const struct cli_option *
cli_find_letter(const struct cli_options *o, int letter)
{
	const struct cli_option *v;

	for (v = o->v; v < o->v + o->n; v++)
		if ((v->row != NULL && v->row->letter == letter) ||
		    (v->action != NULL && v->action->letter == letter))
			return v;
	return NULL;
}

static const struct cli_option *
cli_find_option(const struct cli_options *o, int val)
{
	if (val >= CLI_LONG)
		return &o->v[val - CLI_LONG];
	return cli_find_letter(o, val);
}

/* Near in name, not counting what is only Gunicorn's. */
static const char *
cli_nearest(const struct cli_options *o, const char *word)
{
	const char **names = xcalloc(o->n + 1, sizeof(*names)), *near;
	size_t i, n = 0;

	for (i = 0; i < o->n; i++)
		if (o->v[i].gunicorn == NULL)
			names[n++] = o->longs[i].name;
	near = str_nearest(word, names);
	free(names);
	return near;
}

static bool
cli_is_ambiguous(const struct cli_options *o, const char *word)
{
	size_t i, n = 0;

	for (i = 0; i < o->n; i++)
		n += strncmp(o->longs[i].name, word, strlen(word)) == 0;
	return n > 1;
}

static int
cli_refuse_long(const struct cli_options *o, const char *arg, struct err *err)
{
	char *word = xstrndup(arg + 2, strcspn(arg + 2, "="));
	const char *near = cli_nearest(o, word);

	if (cli_is_ambiguous(o, word))
		err_set(err, "option --%s is the beginning of several", word);
	else if (near != NULL)
		err_set(err, "unknown option --%s, did you mean --%s?", word,
		    near);
	else
		err_set(err, "unknown option --%s (saola --help lists them)",
		    word);
	free(word);
	return -1;
}

/*
 * getopt's '?' has three meanings, told apart by optopt: 0 for a long option
 * it does not know, a letter it does not know, or the value of a long option
 * that was given a value but takes none.
 */
static int
cli_refuse(const struct cli_options *o, char *const argv[], struct err *err)
{
	if (optopt == 0)
		return cli_refuse_long(o, argv[optind - 1], err);
	if (optopt >= CLI_LONG)
		return err_set(err, "option --%s takes no value",
		    o->longs[optopt - CLI_LONG].name);
	return err_set(err, "unknown option -%c (saola --help lists them)",
	    optopt);
}

static int
cli_refuse_missing(const struct cli_options *o, struct err *err)
{
	if (optopt >= CLI_LONG)
		return err_set(err, "option --%s needs a value",
		    o->longs[optopt - CLI_LONG].name);
	return err_set(err, "option -%c needs a value", optopt);
}

static void
cli_replace(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

/* --help wins over all else, then the first one given. */
static void
cli_act(struct cli *cli, const struct cli_action *a)
{
	if (a->action == CONF_RUN)
		cli_replace(&cli->file, optarg);
	else if (a->action == CONF_DOC)
		cli_replace(&cli->doc, optarg);
	if (cli->action == CONF_RUN || a->action == CONF_HELP)
		cli->action = a->action;
}

static int
cli_take(struct cli *cli, const struct cli_option *o, const char *where,
    struct err *err)
{
	const struct setting *row = o->row;

	if (o->action != NULL) {
		cli_act(cli, o->action);
		return 0;
	}
	if (o->gunicorn != NULL) {
		if (gunicorn_resolve(o->gunicorn, where, &row, err) == -1)
			return -1;
		if (row == NULL)
			return 0;
	}
	layer_add(&cli->set, row, optarg != NULL ? optarg :
	    o->negated ? "no" : "yes", where);
	return 0;
}

static int
cli_take_operand(struct cli *cli, const char *text, const char *where,
    struct err *err)
{
	const struct setting *row = setting_find("application");
	const struct layer_item *was = layer_find(&cli->set, row);

	if (was != NULL)
		return err_set(err, "one application at most, but there are "
		    "%s and %s (several go into a file)", was->text, text);
	layer_add(&cli->set, row, text, where);
	return 0;
}

static int
cli_take_all(struct cli *cli, const struct cli_options *o, int argc,
    char *const argv[], const char *where, struct err *err)
{
	int c, ret = 0;

	opterr = 0;
	optind = 0;		/* glibc: start afresh */
	while (ret == 0 && (c = getopt_long(argc, argv, o->shorts, o->longs,
	    NULL)) != -1) {
		switch (c) {
		case 1:
			ret = cli_take_operand(cli, optarg, where, err);
			break;
		case '?':
			ret = cli_refuse(o, argv, err);
			break;
		case ':':
			ret = cli_refuse_missing(o, err);
			break;
		default:
			ret = cli_take(cli, cli_find_option(o, c), where, err);
			break;
		}
	}
	/* Behind "--" there are operands only. */
	for (; ret == 0 && optind < argc; optind++)
		ret = cli_take_operand(cli, argv[optind], where, err);
	return ret;
}

int
cli_parse(struct cli *cli, int argc, char *const argv[], const char *where,
    struct err *err)
{
	struct cli_options o;
	int ret;

	cli_options_init(&o);
	ret = cli_take_all(cli, &o, argc, argv, where, err);
	cli_options_fini(&o);
	if (ret == -1) {
		err_prefix(err, "%s", where);
		err->code = 2;
	}
	return ret;
}

/*
 * Cut the next word out of *at, in place: blanks divide, quotes and backslash
 * protect them. NULL at the end; *bad is told of a quote that is not closed.
 */
static char *
cli_next_word(char **at, bool *bad)
{
	char *in = *at + strspn(*at, " \t\n"), *word = in, *out = in;
	char quote = '\0';

	if (*in == '\0')
		return NULL;
	for (; *in != '\0'; in++) {
		if (*in == quote)
			quote = '\0';
		else if (quote == '\0' && (*in == '\'' || *in == '"'))
			quote = *in;
		else if (quote == '\0' && strchr(" \t\n", *in) != NULL)
			break;
		else {
			if (*in == '\\' && quote != '\'' && in[1] != '\0')
				in++;
			*out++ = *in;
		}
	}
	*bad = quote != '\0';
	*at = *in == '\0' ? in : in + 1;
	*out = '\0';
	return word;
}

int
cli_parse_text(struct cli *cli, const char *text, const char *where,
    struct err *err)
{
	char *copy = xstrdup(text), *at = copy, *word;
	char **argv = xcalloc(strlen(text) / 2 + 3, sizeof(*argv));
	bool bad = false;
	int argc = 0, ret;

	argv[argc++] = copy;		/* stands for the program */
	while ((word = cli_next_word(&at, &bad)) != NULL)
		argv[argc++] = word;
	if (bad)
		ret = err_setc(err, 2, "%s: a quote is not closed", where);
	else
		ret = cli_parse(cli, argc, argv, where, err);
	free(argv);
	free(copy);
	return ret;
}

void
cli_fini(struct cli *cli)
{
	free(cli->doc);
	free(cli->file);
	layer_fini(&cli->set);
	*cli = (struct cli){ 0 };
}

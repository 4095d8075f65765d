/* SPDX-License-Identifier: MIT */
/* Everything that is made from the settings table. */
#include <stdbool.h>
#include <string.h>

#include "conf/cli.h"
#include "conf/doc.h"
#include "conf/layer.h"
#include "conf/settings.h"

#define DOC_WIDTH	78
#define DOC_HELP	30	/* column of the sentences in --help */
#define DOC_VALUE	16384

const struct doc_group doc_groups[] = {
	{ "name", "Instance" },
	{ "application", "Application" },
	{ "bind", "Sockets" },
	{ "workers", "Workers" },
	{ "chdir", "Environment of the application" },
	{ "client_timeout", "Timeouts" },
	{ "max_requests", "Recycling" },
	{ "drain_timeout", "Limits" },
	{ "path_source", "Requests" },
	{ "sendfile", "Responses" },
	{ "access_logfile", "Logs of the application" },
};
const size_t doc_groups_count = nitems(doc_groups);

/* The heading in front of this row, NULL if there is none. */
static const char *
doc_group_title(const struct setting *row)
{
	size_t i;

	for (i = 0; i < doc_groups_count; i++)
		if (strcmp(doc_groups[i].first, row->name) == 0)
			return doc_groups[i].title;
	return NULL;
}

static const struct setting *
doc_end(void)
{
	return settings_table + settings_count;
}

static void
doc_pad(FILE *f, size_t n)
{
	while (n-- > 0)
		putc(' ', f);
}

/* Words from column `at`, broken before `DOC_WIDTH`, in lines after `lead`. */
static void
doc_wrap(FILE *f, const char *text, size_t at, const char *lead)
{
	size_t len;
	bool first = true;

	while (*text != '\0') {
		len = strcspn(text, " ");
		if (!first && at + 1 + len > DOC_WIDTH) {
			fprintf(f, "\n%s", lead);
			at = strlen(lead);
			first = true;
		}
		fprintf(f, "%s%.*s", first ? "" : " ", (int)len, text);
		at += len + !first;
		first = false;
		text += len;
		text += strspn(text, " ");
	}
	putc('\n', f);
}

/* What stands for the value of a row. */
static const char *
doc_metavar(const struct setting *row)
{
	static const char *const words[] = {
		[SET_INT] = "N", [SET_SIZE] = "SIZE", [SET_TIME] = "TIME",
		[SET_STR] = "TEXT", [SET_LIST] = "TEXT", [SET_MODE] = "MODE",
		[SET_WORKERS] = "N|auto",
	};

	return row->kind == SET_ENUM ? row->choices : words[row->kind];
}

/* The name of a row as an option. */
static void
doc_put_kebab(FILE *f, const char *name)
{
	for (; *name != '\0'; name++)
		putc(*name == '_' ? '-' : *name, f);
}

/* Values separated by commas as alternatives: "a|b". */
static void
doc_put_choices(FILE *f, const char *text)
{
	for (; *text != '\0'; text++)
		putc(*text == ',' ? '|' : *text, f);
}

/* A line of a configuration file. */
static void
doc_put_assignment(FILE *f, const char *lead, const char *name,
    const char *value)
{
	fprintf(f, "%s%s =%s%s\n", lead, name, *value == '\0' ? "" : " ",
	    value);
}

static bool
doc_is_bool(const struct setting *row)
{
	return row->kind == SET_BOOL;
}

/* Help. */

static const char doc_usage[] =
    "usage: saola [OPTIONS] MODULE:CALLABLE\n"
    "       saola [OPTIONS] -c FILE\n"
    "\n"
    "Serves Python applications behind a web server, over FastCGI and uwsgi.\n"
    "In the file, an option's name has _ for -.\n";

/* The sentence of an option whose name took n columns. */
static void
doc_help_sentence(FILE *f, size_t n, const char *help, const char *deflt)
{
	static const char lead[] = "                              ";
	char text[1024];

	_Static_assert(sizeof(lead) == DOC_HELP + 1, "lead fills the column");
	if (n > DOC_HELP - 2) {
		fprintf(f, "\n%s", lead);
	} else
		doc_pad(f, DOC_HELP - n);
	snprintf(text, sizeof(text), "%s%s%s%s", help,
	    *deflt != '\0' ? " [" : "", deflt, *deflt != '\0' ? "]" : "");
	doc_wrap(f, text, DOC_HELP, lead);
}

/* "  -b, --" or "      --"; the same width. */
static void
doc_help_letter(FILE *f, char letter)
{
	if (letter != 0)
		fprintf(f, "  -%c, --", letter);
	else
		fputs("      --", f);
}

static void
doc_help_action(FILE *f, const struct cli_action *a)
{
	size_t n = strlen("  -c, --") + strlen(a->name);

	doc_help_letter(f, a->letter);
	fputs(a->name, f);
	if (a->value != NULL) {
		fprintf(f, " %s", a->value);
		n += 1 + strlen(a->value);
	}
	doc_help_sentence(f, n, a->help, "");
}

static void
doc_help_setting(FILE *f, const struct setting *row)
{
	size_t n = strlen("  -c, --") + strlen(row->name);

	doc_help_letter(f, row->letter);
	if (doc_is_bool(row)) {
		fputs("[no-]", f);
		n += strlen("[no-]");
	}
	doc_put_kebab(f, row->name);
	if (!doc_is_bool(row)) {
		putc(' ', f);
		doc_put_choices(f, doc_metavar(row));
		n += 1 + strlen(doc_metavar(row));
	}
	doc_help_sentence(f, n, row->help, row->deflt);
}

void
doc_write_help(FILE *f)
{
	const struct cli_action *a;
	const struct setting *row;
	const char *title;

	fputs(doc_usage, f);
	fputs("\nGeneral:\n", f);
	for (a = cli_actions; a < cli_actions + cli_actions_count; a++)
		if (a->help != NULL)
			doc_help_action(f, a);
	for (row = settings_table; row < doc_end(); row++) {
		if ((title = doc_group_title(row)) != NULL)
			fprintf(f, "\n%s:\n", title);
		doc_help_setting(f, row);
	}
}

/* Values of a configuration. */

static void
doc_values_row(FILE *f, const struct setting *row, const void *base,
    const char *source)
{
	char text[DOC_VALUE], *rest = text, *line;

	if (strcmp(source, "default") != 0)
		fprintf(f, "# from %s\n", source);
	setting_format(row, base, text, sizeof(text));
	if (row->kind != SET_LIST) {
		doc_put_assignment(f, "", row->name, text);
		return;
	}
	while ((line = strsep(&rest, "\n")) != NULL)
		doc_put_assignment(f, "", row->name, line);
}

static void
doc_values_scope(FILE *f, enum setting_scope scope, const void *base,
    char *const *source)
{
	const struct setting *row;

	for (row = settings_table; row < doc_end(); row++)
		if (row->scope == scope)
			doc_values_row(f, row, base,
			    layer_source(source, row));
}

void
doc_write_values(FILE *f, const struct conf *c)
{
	size_t i;

	fprintf(f, "# saola %s. What has no source is a default.\n[saola]\n",
	    SAOLA_VERSION);
	doc_values_scope(f, SCOPE_MASTER, &c->m, c->source);
	for (i = 0; i < c->napps; i++) {
		fprintf(f, "\n[app %s]\n", c->apps[i]->name);
		doc_values_scope(f, SCOPE_APP, &c->apps[i]->s,
		    c->apps[i]->source);
	}
}

/* The sample file. */

static const char doc_conf_head[] =
    "# saola.conf: every setting, with its default behind a #.\n"
    "#\n"
    "#   saola -c saola.conf\n"
    "#   saola -c saola.conf --check-config\n"
    "#\n"
    "# [saola] is for the whole instance, [defaults] for all applications, and\n"
    "# each [app NAME] is one application. Settings begin in the first column.\n"
    "# Where a setting may be repeated it may also go on in indented lines. A\n"
    "# ; or # within a line is a part of the value.\n";

static const char doc_conf_include[] =
    "# More files, by pattern, relative to this one; repeatable.\n"
    "#include = apps.d/*.conf\n";

static const char doc_conf_app[] =
    "\n"
    "[app shop]\n"
    "application = shop.wsgi:application\n"
    "bind = unix:/run/saola/shop.sock\n";

static void
doc_conf_scope(FILE *f, enum setting_scope scope)
{
	const struct setting *row;
	const char *title;

	for (row = settings_table; row < doc_end(); row++) {
		if (row->scope != scope)
			continue;
		if ((title = doc_group_title(row)) != NULL)
			fprintf(f, "\n# --- %s ---\n", title);
		fputs("\n# ", f);
		doc_wrap(f, row->help, 2, "# ");
		if (*row->choices != '\0') {
			fputs("# One of: ", f);
			doc_put_choices(f, row->choices);
			fputs(".\n", f);
		}
		doc_put_assignment(f, "#", row->name, row->deflt);
	}
}

static void
doc_write_conf(FILE *f)
{
	fputs(doc_conf_head, f);
	fputs("\n[saola]\n", f);
	fputs(doc_conf_include, f);
	doc_conf_scope(f, SCOPE_MASTER);
	fputs("\n[defaults]\n", f);
	doc_conf_scope(f, SCOPE_APP);
	fputs(doc_conf_app, f);
}

/* The table in README. */

static const char *
doc_when(const struct setting *row)
{
	static const char *const words[] = {
		[WHEN_LIVE] = "reload",
		[WHEN_WORKER] = "reload, new workers",
		[WHEN_BOOT] = "restart",
	};

	return words[row->when];
}

/* Markdown code in a table, where | would end the cell. */
static void
doc_put_code(FILE *f, const char *text)
{
	if (*text == '\0')
		return;
	putc('`', f);
	for (; *text != '\0'; text++)
		fprintf(f, *text == '|' ? "\\%c" : "%c", *text);
	putc('`', f);
}

static void
doc_write_readme(FILE *f)
{
	const struct setting *row;

	fputs("| setting | default | what it is | changed by |\n"
	    "|---|---|---|---|\n", f);
	for (row = settings_table; row < doc_end(); row++) {
		fputs("| ", f);
		doc_put_code(f, row->name);
		fputs(" | ", f);
		doc_put_code(f, row->deflt);
		fprintf(f, " | %s | %s |\n", row->help, doc_when(row));
	}
}

/* The man page. */

static const char doc_man_head[] =
    ".\\\" Made by saola --doc man from the settings table.\n"
    ".Dd November 24, 2026\n"
    ".Dt SAOLA 8\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm saola\n"
    ".Nd application server for Python behind a web server\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Op Ar options\n"
    ".Ar module : Ns Ar callable\n"
    ".Nm\n"
    ".Op Ar options\n"
    ".Fl c Ar file\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "runs Python web applications (WSGI) in worker processes.\n"
    "It speaks FastCGI and the uwsgi protocol, both on every socket, with a\n"
    "web server in front of it: nginx, Apache, HAProxy, lighttpd or Caddy.\n"
    "HTTP, TLS and static files are left to that server.\n"
    ".Pp\n"
    "A master process, which runs no Python and reads no request, opens the\n"
    "sockets and keeps the workers running.\n"
    "Each application has a template process, which runs as the application's\n"
    "user, with preload imports the application, and forks its workers.\n"
    ".Pp\n"
    "The application is named as\n"
    ".Ar module : Ns Ar callable ,\n"
    ".Ar module : Ns Ar object . Ns Ar attribute\n"
    "or\n"
    ".Ar module : Ns Ar factory Ns () .\n"
    "Given on the command line and without\n"
    ".Fl Fl bind ,\n"
    "it is served on 127.0.0.1:8000, which is not HTTP.\n"
    ".Sh OPTIONS\n"
    ".Ss General\n"
    ".Bl -tag -width Ds\n";

static const char doc_man_rest[] =
    ".Sh CONFIGURATION FILE\n"
    "The file given with\n"
    ".Fl c\n"
    "has sections:\n"
    ".Bl -tag -width \"[defaults]\"\n"
    ".It Li [saola]\n"
    "Settings of the instance.\n"
    "Its\n"
    ".Li include\n"
    "names more files, by pattern and relative to the file.\n"
    ".It Li [defaults]\n"
    "Settings of all applications.\n"
    ".It Li [app Ar name Ns Li ]\n"
    "An application.\n"
    "It must say\n"
    ".Li application\n"
    "and\n"
    ".Li bind .\n"
    ".El\n"
    ".Pp\n"
    "A setting has the name of its option, with _ for -, and stands in a line\n"
    ".Ql name = value\n"
    "that begins in the first column.\n"
    "Lines that begin with ; or # are comments.\n"
    "Settings that may be repeated may also go on in indented lines; others\n"
    "may be given once.\n"
    "Yes-or-no settings take yes, no, on, off, true, false, 1 and 0.\n"
    "Times are in seconds, or have a unit: ms, s, m, h or d.\n"
    "Sizes are in bytes, or have a unit: k, m or g.\n"
    ".Pp\n"
    "A setting's value comes from the last of these that has it: its default,\n"
    "the environment, [defaults], the application's section,\n"
    ".Ev SAOLA_CMD_ARGS ,\n"
    "the command line.\n"
    "A setting that may be repeated is replaced as a whole.\n"
    ".Fl Fl print-config\n"
    "shows all of them and where they come from.\n"
    ".Sh ENVIRONMENT\n"
    ".Bl -tag -width Ds\n"
    ".It Ev SAOLA_CMD_ARGS\n"
    "Options, divided into words as by a shell.\n"
    ".It Ev GUNICORN_CMD_ARGS\n"
    "The same, if\n"
    ".Ev SAOLA_CMD_ARGS\n"
    "is not set.\n"
    ".It Ev WEB_CONCURRENCY\n"
    "The setting\n"
    ".Li workers .\n"
    ".It Ev FORWARDED_ALLOW_IPS\n"
    "The setting\n"
    ".Li trusted_proxies .\n"
    ".It Ev SCRIPT_NAME\n"
    "The setting\n"
    ".Li root_path .\n"
    ".It Ev SENDFILE\n"
    "The setting\n"
    ".Li sendfile .\n"
    ".It Ev RUNTIME_DIRECTORY , XDG_RUNTIME_DIR\n"
    "Where the control socket goes.\n"
    ".It Ev LISTEN_FDS , LISTEN_FDNAMES , NOTIFY_SOCKET , WATCHDOG_USEC\n"
    "As systemd sets them.\n"
    ".It Ev SAOLA_LISTENERS , SAOLA_UPGRADE\n"
    "From a master to the one that comes after it.\n"
    ".El\n"
    ".Sh SIGNALS\n"
    "To the master:\n"
    ".Bl -tag -width \"TERM, QUIT\"\n"
    ".It TERM, QUIT\n"
    "Stop: requests that are running or waiting in the listen queue are\n"
    "finished, for\n"
    ".Li graceful_timeout\n"
    "at most.\n"
    "A second one stops fast.\n"
    ".It INT\n"
    "Stop fast: requests are aborted.\n"
    ".It HUP\n"
    "Reload: read the settings again and start new workers; when they are\n"
    "ready the old ones finish their requests and leave.\n"
    "If anything fails, the old ones go on.\n"
    ".It USR1\n"
    "Open the log files again.\n"
    ".It USR2\n"
    "Upgrade: start the program file of now with the listening sockets; when\n"
    "all its applications serve, the old master finishes its requests and\n"
    "leaves.\n"
    "If anything fails, the old one goes on.\n"
    "Meanwhile the new one's\n"
    ".Li pid\n"
    "file has .2 behind its name.\n"
    ".It TTIN , TTOU\n"
    "One worker more, one less, of each application.\n"
    ".El\n"
    ".Sh EXIT STATUS\n"
    ".Bl -tag -width Ds\n"
    ".It 0\n"
    "Stopped as asked.\n"
    ".It 1\n"
    "A socket, a user or a file could not be had.\n"
    ".It 2\n"
    "The command line or the configuration file is wrong.\n"
    ".It 3\n"
    "No application could be started.\n"
    ".It 4\n"
    "The module has no such callable.\n"
    ".It 255\n"
    "Internal error.\n"
    ".El\n"
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa saola.conf.example\n"
    "All settings, in the documentation's directory.\n"
    ".It Pa nginx.conf.example\n"
    "A configuration of nginx, in the same directory.\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "A Django project on a UNIX socket, with five workers:\n"
    ".Pp\n"
    ".Dl saola -b unix:/run/shop.sock -w 5 shop.wsgi:application\n"
    ".Pp\n"
    "A Flask application made by a function:\n"
    ".Pp\n"
    ".Dl saola -b unix:/run/blog.sock --chdir /srv/blog 'blog:create_app()'\n"
    ".Pp\n"
    "What the settings of a file come to:\n"
    ".Pp\n"
    ".Dl saola -c /etc/saola.conf --print-config\n"
    ".Pp\n"
    "In nginx, for either protocol:\n"
    ".Bd -literal -offset indent\n"
    "location / {\n"
    "\tinclude fastcgi_params;\n"
    "\tfastcgi_pass unix:/run/shop.sock;\n"
    "}\n"
    "location / {\n"
    "\tinclude uwsgi_params;\n"
    "\tuwsgi_pass unix:/run/shop.sock;\n"
    "}\n"
    ".Ed\n"
    ".Sh SEE ALSO\n"
    ".Xr saolactl 1 ,\n"
    ".Xr nginx 8 ,\n"
    ".Xr systemd.socket 5\n";

/* Text in roff: a backslash is \e, a line never begins with a request. */
static void
doc_put_roff(FILE *f, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", f);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", f);
		else
			putc(*text, f);
	}
}

static void
doc_man_letter(FILE *f, char letter)
{
	fputs(".It ", f);
	if (letter != 0)
		fprintf(f, "Fl %c , ", letter);
}

static void
doc_man_action(FILE *f, const struct cli_action *a)
{
	doc_man_letter(f, a->letter);
	fprintf(f, "Fl Fl %s", a->name);
	if (a->value != NULL)
		fprintf(f, " Ar %s", a->value);
	fprintf(f, "\n%s\n", a->help);
}

static void
doc_man_setting(FILE *f, const struct setting *row)
{
	doc_man_letter(f, row->letter);
	fputs("Fl Fl ", f);
	doc_put_kebab(f, row->name);
	if (doc_is_bool(row)) {
		fputs(" , Fl Fl no-", f);
		doc_put_kebab(f, row->name);
	} else {
		fputs(" Ar ", f);
		doc_put_choices(f, doc_metavar(row));
	}
	putc('\n', f);
	doc_put_roff(f, row->help);
	putc('\n', f);
	if (*row->deflt == '\0')
		return;
	fputs("Default:\n.Ql \"", f);
	for (const char *c = row->deflt; *c != '\0'; c++)
		fprintf(f, *c == '"' ? "\\(dq" : "%c", *c);
	fputs("\" .\n", f);
}

static void
doc_write_man(FILE *f)
{
	const struct cli_action *a;
	const struct setting *row;
	const char *title;

	fputs(doc_man_head, f);
	for (a = cli_actions; a < cli_actions + cli_actions_count; a++)
		if (a->help != NULL)
			doc_man_action(f, a);
	for (row = settings_table; row < doc_end(); row++) {
		if ((title = doc_group_title(row)) != NULL)
			fprintf(f, ".El\n.Ss %s\n.Bl -tag -width Ds\n", title);
		doc_man_setting(f, row);
	}
	fputs(".El\n", f);
	fputs(doc_man_rest, f);
}

struct doc_kind {
	const char	*name;
	void		(*write)(FILE *);
};

int
doc_write(FILE *f, const char *which, struct err *err)
{
	static const struct doc_kind kinds[] = {
		{ "man", doc_write_man },
		{ "conf", doc_write_conf },
		{ "readme", doc_write_readme },
	};
	size_t i;

	for (i = 0; i < nitems(kinds); i++) {
		if (strcmp(kinds[i].name, which) == 0) {
			kinds[i].write(f);
			return 0;
		}
	}
	return err_setc(err, 2, "no document %s: man, conf or readme", which);
}

void
conf_help(void)
{
	doc_write_help(stdout);
}

void
conf_print(const struct conf *c)
{
	doc_write_values(stdout, c);
}

int
conf_doc(const char *which, struct err *err)
{
	return doc_write(stdout, which, err);
}

/* SPDX-License-Identifier: MIT */
/* saolactl: talks to a running saola. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/cmd.h"

#define CTL_QUESTION	1024
#define CTL_ANSWER	(16 << 20)
#define CTL_TREE	(64 << 20)

static const struct cmd *const cmds[] = {
	&cmd_status, &cmd_workers, &cmd_reload, &cmd_scale, &cmd_upgrade,
	&cmd_stop, NULL
};

struct ctl {
	const char	*path;		/* -s; NULL: look for it */
	bool		 json;
	const struct cmd *cmd;
	char		**words;	/* behind the command */
	size_t		 nwords;
};

static void
ctl_help(FILE *f)
{
	const struct cmd *const *c;
	char words[40];

	fputs("usage: saolactl [-s CONTROL] [--json] COMMAND\n\n", f);
	for (c = cmds; *c != NULL; c++) {
		snprintf(words, sizeof(words), "%s%s", (*c)->name,
		    (*c)->usage);
		fprintf(f, "  %-16s %s\n", words, (*c)->help);
	}
	fputs("\n  -s, --socket CONTROL  the control socket; looked for in "
	    "$RUNTIME_DIRECTORY,\n"
	    "                        /run/saola and $XDG_RUNTIME_DIR/saola "
	    "unless given\n"
	    "  -j, --json            show the answer as it is\n"
	    "  -h, --help            print this help\n"
	    "  -v, --version         print the version\n"
	    "\nExit status: 0 done, 1 refused or failed, 2 wrong usage or "
	    "several instances,\n3 nobody answers.\n", f);
}

static int
ctl_refuse(const char *what, const char *word)
{
	fprintf(stderr, "saolactl: %s%s (saolactl --help)\n", what, word);
	return CTL_USAGE;
}

/* CTL_OK: go on; -1: all is done. */
static int
ctl_options(struct ctl *ctl, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL }
	};
	int c;

	while ((c = getopt_long(argc, argv, "s:jhv", longs, NULL)) != -1)
		switch (c) {
		case 's':
			ctl->path = optarg;
			break;
		case 'j':
			ctl->json = true;
			break;
		case 'h':
			ctl_help(stdout);
			return -1;
		case 'v':
			puts("saolactl " SAOLA_VERSION);
			return -1;
		default:
			return CTL_USAGE;
		}
	return CTL_OK;
}

static int
ctl_command(struct ctl *ctl, int argc, char **argv)
{
	const struct cmd *const *c;
	int i;

	if (argc == 0)
		return ctl_refuse("which command?", "");
	for (c = cmds; *c != NULL && strcmp((*c)->name, *argv) != 0; c++)
		;
	ctl->cmd = *c;
	if (ctl->cmd == NULL)
		return ctl_refuse("unknown command ", *argv);
	ctl->words = argv + 1;
	ctl->nwords = (size_t)argc - 1;
	if (ctl->nwords < ctl->cmd->min || ctl->nwords > ctl->cmd->max) {
		fprintf(stderr, "usage: saolactl %s%s\n", ctl->cmd->name,
		    ctl->cmd->usage);
		return CTL_USAGE;
	}
	/* The words of a request are divided by blanks, its end is a line's. */
	for (i = 1; i < argc; i++)
		if (*argv[i] == '\0' || strpbrk(argv[i], " \t\r\n") != NULL)
			return ctl_refuse("not one word: ", argv[i]);
	return CTL_OK;
}

static int
ctl_show(const struct ctl *ctl, const struct buf *answer)
{
	struct arena arena;
	struct json *j;
	bool ok;

	arena_init(&arena, 65536, CTL_TREE);
	j = json_read(&arena, buf_head(answer), buf_len(answer));
	ok = json_find_bool(j, "ok");
	if (ctl->json)
		printf("%.*s\n", (int)buf_len(answer), buf_head(answer));
	else if (ok && ctl->cmd->show != NULL)
		ctl->cmd->show(j);
	else if (!ok)
		fprintf(stderr, "saolactl: %s: %s\n", ctl->cmd->name,
		    j != NULL ? cmd_text(j, "error") : "not an answer");
	arena_fini(&arena);
	return ok ? CTL_OK : CTL_FAILED;
}

static int
ctl_ask(const struct ctl *ctl, struct buf *answer, struct err *err)
{
	char question[CTL_QUESTION];
	size_t i, n;
	int fd;

	n = (size_t)snprintf(question, sizeof(question), "%s",
	    ctl->cmd->name);
	for (i = 0; i < ctl->nwords && n < sizeof(question); i++)
		n += (size_t)snprintf(question + n, sizeof(question) - n,
		    " %s", ctl->words[i]);
	if (n >= sizeof(question))
		return err_setc(err, CTL_USAGE, "the request is too long");
	fd = client_connect(ctl->path, err);
	if (fd == -1)
		return -1;
	if (client_ask(fd, question, ctl->cmd->patient, answer, err) == -1) {
		close(fd);
		return -1;
	}
	if (ctl->cmd->to_the_end)
		client_wait_end(fd);
	close(fd);
	return 0;
}

int
main(int argc, char *argv[])
{
	struct ctl ctl = { 0 };
	struct buf answer;
	struct err err;
	int code;

	code = ctl_options(&ctl, argc, argv);
	if (code == CTL_OK)
		code = ctl_command(&ctl, argc - optind, argv + optind);
	if (code != CTL_OK)
		return code == -1 ? CTL_OK : code;
	buf_init(&answer, CTL_ANSWER);
	if (ctl_ask(&ctl, &answer, &err) == 0)
		code = ctl_show(&ctl, &answer);
	else {
		fprintf(stderr, "saolactl: %s\n", err.text);
		code = err.code;
	}
	buf_fini(&answer);
	return code;
}

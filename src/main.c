/* SPDX-License-Identifier: MIT */
/* saola: command line, configuration, and what was asked for. */
#include <stdio.h>

#include "conf/conf.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "os/fds.h"
#include "os/title.h"

static int
main_doc(const struct conf *conf)
{
	struct err err;

	if (conf_doc(conf->doc, &err) == 0)
		return 0;
	fprintf(stderr, "saola: %s\n", err.text);
	return err.code;
}

static int
main_act(struct conf *conf, int argc, char **argv)
{
	switch (conf->action) {
	case CONF_RUN:
		return master_run(conf, argc, argv);
	case CONF_CHECK:
		return check_config(conf, argc, argv);
	case CONF_PRINT:
		conf_print(conf);
		return 0;
	case CONF_HELP:
		conf_help();
		return 0;
	case CONF_VERSION:
		printf("saola " SAOLA_VERSION "\n");
		return 0;
	case CONF_DOC:
		return main_doc(conf);
	}
	return 255;
}

int
main(int argc, char *argv[])
{
	struct conf *conf;
	struct err err;
	char **args;

	fds_sane();
	args = title_init(argc, argv);
	conf = conf_load(argc, args, &err);
	if (conf == NULL) {
		fprintf(stderr, "saola: %s\n", err.text);
		heritage_refuse(err.text);
		return err.code;
	}
	return main_act(conf, argc, args);
}

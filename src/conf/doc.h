/* SPDX-License-Identifier: MIT */
/* The settings table printed: help, documents, and a configuration's values. */
#ifndef CONF_DOC_H
#define CONF_DOC_H

#include <stddef.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"

/* A heading, and the setting it stands in front of. */
struct doc_group {
	const char	*first;
	const char	*title;
};
extern const struct doc_group doc_groups[];
extern const size_t doc_groups_count;

void	doc_write_help(FILE *);
/* As a file that can be loaded back, with where each value comes from. */
void	doc_write_values(FILE *, const struct conf *);
/* "man", "conf" or "readme". */
int	doc_write(FILE *, const char *which, struct err *) MUSTCHECK;

#endif

/* SPDX-License-Identifier: MIT */
/* What is made from the table: complete, in shape, and true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/cli.h"
#include "conf/doc.h"
#include "conf/sections.h"
#include "conf/settings.h"

static char text[262144];

/* The document, or the help for NULL. */
static const char *
document(const char *which)
{
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct err err;

	assert_non_null(f);
	if (which == NULL)
		doc_write_help(f);
	else
		assert_int_equal(doc_write(f, which, &err), 0);
	fclose(f);
	return text;
}

/* The name as an option. */
static const char *
kebab(const char *name)
{
	static char out[64];
	size_t i;

	for (i = 0; name[i] != '\0'; i++)
		out[i] = name[i] == '_' ? '-' : name[i];
	out[i] = '\0';
	return out;
}

static void
groups_begin_at_settings(void **state UNUSED)
{
	size_t i;

	for (i = 0; i < doc_groups_count; i++)
		assert_non_null(setting_find(doc_groups[i].first));
	assert_string_equal(doc_groups[0].first, settings_table[0].name);
}

static void
help_has_every_option_in_80_columns(void **state UNUSED)
{
	char *rest, *line, want[80];
	size_t i;

	document(NULL);
	for (i = 0; i < settings_count; i++) {
		snprintf(want, sizeof(want), "%s%s",
		    settings_table[i].kind == SET_BOOL ? "--[no-]" : "--",
		    kebab(settings_table[i].name));
		assert_non_null(strstr(text, want));
	}
	assert_non_null(strstr(text, "  -w, --workers N|auto"));
	assert_non_null(strstr(text, "is closed. [75s]\n"));
	assert_non_null(strstr(text, "--check-config"));
	assert_null(strstr(text, "--doc"));
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		if (strlen(line) >= 80)
			fail_msg("%s", line);
		assert_true(line[0] == '\0' ||
		    line[strlen(line) - 1] != ' ');
	}
}

static void
the_man_page_has_every_option_and_section(void **state UNUSED)
{
	static const char *const sections[] = { "NAME", "SYNOPSIS",
	    "DESCRIPTION", "OPTIONS", "CONFIGURATION FILE", "ENVIRONMENT",
	    "SIGNALS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO" };
	char want[80];
	size_t i;

	document("man");
	for (i = 0; i < nitems(sections); i++) {
		snprintf(want, sizeof(want), "\n.Sh %s\n", sections[i]);
		assert_non_null(strstr(text, want));
	}
	for (i = 0; i < settings_count; i++) {
		snprintf(want, sizeof(want), "Fl Fl %s",
		    kebab(settings_table[i].name));
		assert_non_null(strstr(text, want));
	}
}

static void
the_readme_table_has_a_row_for_each_setting(void **state UNUSED)
{
	char *rest, *line, *c, want[80];
	size_t i, bars;

	document("readme");
	for (i = 0; i < settings_count; i++) {
		snprintf(want, sizeof(want), "\n| `%s` | ",
		    settings_table[i].name);
		assert_non_null(strstr(text, want));
	}
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		if (*line == '\0')
			continue;
		for (bars = 0, c = line; *c != '\0'; c++)
			bars += *c == '|' && (c == line || c[-1] != '\\');
		assert_int_equal(bars, 5);
	}
}

/* As shipped it has one application; and all it shows is the default. */
static void
the_sample_file_is_true(void **state UNUSED)
{
	struct sections all = { 0 };
	const struct section *s;
	struct err err;
	size_t i;

	document("conf");
	if (sections_parse(&all, "sample", text, strlen(text), &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(sections_count_apps(&all), 1);
	s = sections_find(&all, SECTION_APP);
	assert_non_null(layer_find(&s->set, setting_find("bind")));
	sections_fini(&all);

	/* "#name = value" is a setting; "# Text" is none. */
	for (i = 0; text[i] != '\0'; i++)
		if (text[i] == '#' && text[i + 1] >= 'a' && text[i + 1] <= 'z')
			text[i] = '\n';
	if (sections_parse(&all, "sample", text, strlen(text), &err) == -1)
		fail_msg("%s", err.text);
	for (i = 0; i < settings_count; i++) {
		s = sections_find(&all, settings_table[i].scope ==
		    SCOPE_MASTER ? SECTION_SAOLA : SECTION_DEFAULTS);
		assert_non_null(layer_find(&s->set, &settings_table[i]));
		assert_string_equal(layer_find(&s->set,
		    &settings_table[i])->text, settings_table[i].deflt);
	}
	assert_string_equal(all.include.v[0], "apps.d/*.conf");
	sections_fini(&all);
}

static void
other_documents_are_refused(void **state UNUSED)
{
	struct err err;

	assert_int_equal(doc_write(stdout, "pdf", &err), -1);
	assert_string_equal(err.text, "no document pdf: man, conf or readme");
	assert_int_equal(err.code, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_begin_at_settings),
		cmocka_unit_test(help_has_every_option_in_80_columns),
		cmocka_unit_test(the_man_page_has_every_option_and_section),
		cmocka_unit_test(the_readme_table_has_a_row_for_each_setting),
		cmocka_unit_test(the_sample_file_is_true),
		cmocka_unit_test(other_documents_are_refused),
	};

	return cmocka_run_group_tests_name("doc", tests, NULL, NULL);
}

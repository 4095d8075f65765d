/* SPDX-License-Identifier: MIT */
/* needs: src/base/[a-z]*.c src/conf/[gils]*.c -linih */
/* Any bytes as a configuration file; what loads prints and loads back. */
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "conf/layer.h"
#include "conf/sections.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Each value that is not a list is what its text says, and the reverse. */
static void
ini_check_row(const struct setting *row, const void *base)
{
	union {
		struct master_settings	m;
		struct app_settings	a;
	} again = { 0 };
	char text[16384];
	struct err err;

	if (row->kind == SET_LIST)
		return;
	setting_format(row, base, text, sizeof(text));
	if (setting_parse(row, &again, text, &err) == -1 ||
	    !setting_equal(row, base, &again))
		abort();
	setting_free(row, &again);
}

static void
ini_apply(const struct section *s, enum setting_scope scope, void *base)
{
	char **source = calloc(settings_count, sizeof(*source));
	bool ok;
	struct err err;
	size_t i;

	layer_defaults(scope, base, source);
	ok = layer_apply(&s->set, scope, base, source, &err) == 0;
	for (i = 0; i < settings_count; i++) {
		free(source[i]);
		if (settings_table[i].scope != scope)
			continue;
		if (ok)
			ini_check_row(&settings_table[i], base);
		setting_free(&settings_table[i], base);
	}
	free(source);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sections all = { 0 };
	struct master_settings m = { 0 };
	struct app_settings a = { 0 };
	struct err err;
	size_t i;

	log_set_level(LOG_CRIT_);
	if (sections_parse(&all, "f", (const char *)data, size, &err) == 0)
		for (i = 0; i < all.n; i++) {
			if (all.v[i]->kind == SECTION_SAOLA)
				ini_apply(all.v[i], SCOPE_MASTER, &m);
			else
				ini_apply(all.v[i], SCOPE_APP, &a);
		}
	sections_fini(&all);
	return 0;
}

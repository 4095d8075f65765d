/* SPDX-License-Identifier: MIT */
/* needs: src/base/[a-z]*.c */
/* Any bytes as a request to the control socket, and as its answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define CONTROL_WORDS	4

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
control_words(const uint8_t *data, size_t size)
{
	char *words[CONTROL_WORDS], *line = xstrndup((const char *)data, size);
	size_t i, n = str_words(line, words, CONTROL_WORDS);

	for (i = 0; i < n && n <= CONTROL_WORDS; i++)
		if (*words[i] == '\0' || strpbrk(words[i], " \t") != NULL)
			abort();
	free(line);
}

/* Whatever text was read is written so that it reads as itself. */
static void
control_check_text(const char *text)
{
	struct arena arena;
	struct json_out o;
	struct json *again;

	json_out_init(&o, 1 << 20);
	json_str(&o, NULL, text);
	arena_init(&arena, 1024, 1 << 20);
	again = json_read(&arena, buf_head(&o.buf), buf_len(&o.buf));
	if (o.failed || again == NULL)
		abort();
	/* Bytes that are not UTF-8 were replaced. */
	if (strstr(again->text, "\xef\xbf\xbd") == NULL &&
	    strcmp(again->text, text) != 0)
		abort();
	json_out_fini(&o);
	arena_fini(&arena);
}

static void
control_check(const struct json *j)
{
	for (; j != NULL; j = j->next) {
		control_check_text(j->text);
		control_check(j->first);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;

	control_words(data, size);
	arena_init(&arena, 1024, 1 << 20);
	control_check(json_read(&arena, (const char *)data, size));
	arena_fini(&arena);
	return 0;
}

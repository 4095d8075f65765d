/* SPDX-License-Identifier: MIT */
/* needs: proto/proto.c proto/fcgi.c proto/uwsgi.c src/req/access.c src/req/resp.c src/req/resp_head.c src/req/req.c src/req/body.c src/req/params.c src/req/params_path.c src/req/params_shape.c src/base/str.c src/base/mem.c src/base/buf.c src/base/log.c src/base/err.c */
/*
 * Any access log format, and any value in it. A line is one line, printable,
 * and no longer than a pipe takes whole.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "req/access.h"
#include "req/req.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const char *line, size_t n, bool plain)
{
	size_t i;

	assert(n > 0 && n <= ACCESS_LINE && line[n - 1] == '\n');
	for (i = 0; i < n - 1; i++)
		assert(!plain || (line[i] >= 0x20 && line[i] < 0x7f));
}

/* Whether the format itself is what a line may hold. */
static bool
is_plain(const char *format)
{
	for (; *format != '\0'; format++)
		if (*format < 0x20 || *format == 0x7f)
			return false;
	return true;
}

static void
run(struct access_format *format, const char *text, struct str value)
{
	static struct req_conf conf = { .app_name = "a" };
	struct req req = { .conf = &conf };
	struct param pairs[2] = { { .name = STR("HTTP_X"), .value = value } };
	char line[ACCESS_LINE];
	int i;

	pairs[1] = pairs[0];
	req.params.v = pairs;
	req.params.n = 2;
	for (i = 0; i < PARAM_IDS; i++)
		req.params.known[i] = value;
	req.params.path_info = req.params.query_string = value;
	req.params.server_protocol = value;
	check(line, access_line(format, &req, 1, line), is_plain(text));
	access_free(format);
}

/* The format, a NUL, and the value. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	const char *text = (const char *)data;
	struct access_format *format;
	struct err err;

	if (nul == NULL)
		return 0;
	format = access_compile(text, &err);
	if (format == NULL) {
		assert(err.code == 2 && err.text[0] != '\0');
		return 0;
	}
	run(format, text, (struct str){ (const char *)nul + 1,
	    size - (size_t)(nul - data) - 1 });
	return 0;
}

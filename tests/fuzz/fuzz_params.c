/* SPDX-License-Identifier: MIT */
/* needs: proto/fcgi.c proto/uwsgi.c src/req/params.c src/req/params_path.c src/req/params_shape.c src/base/str.c src/base/mem.c src/base/log.c src/base/err.c */
/*
 * Any parameter block. The first byte chooses codec and settings. What is
 * accepted obeys the rules, and a remembered sequence of names gives what a
 * new one gave.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "req/params.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const mounts[] = { "/a", "/a/b/", "/", NULL };

static struct params_conf
conf_of(unsigned bits)
{
	return (struct params_conf){
		.count_max = bits & 64 ? 8 : 1000,
		.line_max = bits & 64 ? 16 : 0,
		.fields_max = bits & 64 ? 4 : 0,
		.field_size_max = bits & 64 ? 16 : 0,
		.from_uri = bits & 2,
		.remote_user = bits & 4,
		.root_path = bits & 16 ? STR("/r") : STR(""),
		.scheme = STR(""),
		.mounts = bits & 32 ? mounts : NULL,
	};
}

static uint64_t
hash_str(uint64_t h, struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3;
	return h * 31 + s.len;
}

static void
check_names(const struct params *p)
{
	uint16_t i, j;

	for (i = 1; i < p->n; i++) {
		const struct param *a = &p->v[i];

		assert(a->name.len == 0 || memchr(a->value.p, 0,
		    a->value.len) == NULL);
		if (!a->is.keep)
			continue;
		assert(a->name.len > 0 && a->is.id < PARAM_IDS);
		assert(!str_starts(a->name, STR("wsgi.")));
		for (j = a->is.more; j != 0; j = p->v[j].is.more)
			assert(j > i && str_eq(p->v[j].name, a->name));
		for (j = i + 1; j < p->n; j++)
			assert(!p->v[j].is.keep ||
			    !str_eq(p->v[j].name, a->name));
	}
}

static void
check_rules(const struct params *p)
{
	assert(p->path_info.len == 0 || p->path_info.p[0] == '/');
	assert(p->script_name.len == 0 || (p->script_name.p[0] == '/' &&
	    p->script_name.p[p->script_name.len - 1] != '/'));
	assert(p->script_name.len + p->path_info.len > 0);
	assert(p->scheme.len == 4 || p->scheme.len == 5);
	assert(p->server_name.len > 0 && p->server_port.len > 0);
	assert(p->server_protocol.len > 0 && p->content_length >= -1);
	check_names(p);
}

/* A hash of everything the application would get. */
static uint64_t
result(const struct params *p, int status)
{
	uint64_t h = (uint64_t)status;
	uint16_t i;

	if (status != 0)
		return h;
	check_rules(p);
	for (i = 1; i < p->n; i++) {
		h = hash_str(h, p->v[i].name) + p->v[i].is.more;
		h = hash_str(h, p->v[i].value) + p->v[i].is.keep;
	}
	h = hash_str(hash_str(h, p->script_name), p->path_info);
	h = hash_str(hash_str(h, p->query_string), p->scheme);
	h = hash_str(hash_str(h, p->server_name), p->server_port);
	return h + (uint64_t)p->content_length + p->websocket;
}

static uint64_t
run(unsigned bits, const uint8_t *data, size_t size)
{
	struct params_conf conf = conf_of(bits);
	struct params_peer peer = { bits & 8, "127.0.0.1:9000" };
	struct proto_str block = { malloc(size), size };
	struct params p;
	struct arena arena;
	const char *why = NULL;
	uint64_t h;
	int status;

	assert(block.p != NULL || size == 0);
	if (size > 0)
		memcpy((void *)(uintptr_t)block.p, data, size);
	arena_init(&arena, 1024, bits & 128 ? 8192 : 1 << 20);
	status = params_parse(&p, &conf, &peer, bits & 1 ? &uwsgi_ops :
	    &fcgi_ops, block, &arena, &why);
	assert(status == 0 || (status >= 400 && why != NULL));
	h = result(&p, status);
	params_fini(&p);
	arena_fini(&arena);
	free((void *)(uintptr_t)block.p);
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t h;

	if (size == 0)
		return 0;
	h = run(data[0], data + 1, size - 1);
	assert(run(data[0], data + 1, size - 1) == h || data[0] & 128);
	assert(run(data[0], data + 1, size - 1) == h || data[0] & 128);
	return 0;
}

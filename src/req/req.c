/* SPDX-License-Identifier: MIT */
/* A request: its memory, and its name in log lines. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "req/req.h"

/* The parameters of a usual request, as a block and as a table. */
#define REQ_ARENA	8192

/*
 * A block that grew was moved, so it counts for up to three times its size;
 * the table and what is worked out from it follow.
 */
static size_t
req_arena_max(const struct req_conf *conf)
{
	return 4 * conf->params_size +
	    ((size_t)conf->params.count_max + 2) * 4 * sizeof(struct param) +
	    65536;
}

void
req_init(struct req *req, const struct req_conf *conf)
{
	memset(req, 0, sizeof(*req));
	req->conf = conf;
	arena_init(&req->arena, REQ_ARENA, req_arena_max(conf));
	body_init(&req->body);
	resp_reset(&req->resp);
}

void
req_reset(struct req *req)
{
	req->proto = NULL;
	req->io = NULL;
	req->carrier = NULL;
	req->run = NULL;
	req->id = 0;
	req->keep = req->whole = req->refused = false;
	req->end_status = 0;
	req->app_status = 0;
	req->block = NULL;
	req->block_len = 0;
	req->accepted_ns = req->start_ns = req->entered_ns = 0;
	params_fini(&req->params);
	memset(&req->params, 0, sizeof(req->params));
	arena_reset(&req->arena);
	body_reset(&req->body);
	resp_reset(&req->resp);
}

void
req_fini(struct req *req)
{
	params_fini(&req->params);
	arena_fini(&req->arena);
	body_fini(&req->body);
	resp_fini(&req->resp);
}

const char *
req_line(const struct req *req, char *out, size_t size)
{
	const struct str *known = req->params.known;
	struct str method = known[PARAM_REQUEST_METHOD];
	struct str uri = known[PARAM_REQUEST_URI];
	size_t n;

	if (method.p == NULL) {
		snprintf(out, size, "request");
		return out;
	}
	if (uri.p == NULL)
		uri = req->params.path_info;
	n = log_escape(out, size, method.p, method.len);
	if (n + 1 < size && uri.p != NULL) {
		out[n++] = ' ';
		log_escape(out + n, size - n, uri.p, uri.len);
	}
	return out;
}

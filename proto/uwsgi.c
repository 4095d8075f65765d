/* SPDX-License-Identifier: MIT */
/*
 * The uwsgi protocol: a head of 4 bytes, a block of variables, a body of the
 * length they say. One request a connection, answered in plain HTTP.
 */
#include <assert.h>
#include <string.h>

#include "proto/proto.h"

enum uwsgi_phase {
	PHASE_HEAD,
	PHASE_BLOCK,
	PHASE_BODY,
	PHASE_REST		/* whatever follows the request is discarded */
};

/* What uWSGI would do with a packet that is not a plain request. */
static const struct {
	uint8_t		 first, last;
	const char	*why;
} uwsgi_kinds[] = {
	{ 1, 1, "uwsgi modifier1 1: this looks like FastCGI" },
	{ 5, 15, "uwsgi modifier1 5-15: a request for another language" },
	{ 17, 17, "uwsgi modifier1 17: a spooler task" },
	{ 18, 18, "uwsgi modifier1 18: a call of a C function" },
	{ 22, 22, "uwsgi modifier1 22: Python code to run, or TLS" },
	{ 30, 30, "uwsgi modifier1 30: remove it from the proxy, SCRIPT_NAME "
	    "is taken off PATH_INFO without it" },
	{ 'A', 'Z', "uwsgi modifier1 is a letter: this looks like HTTP" },
	{ 97, 98, "uwsgi modifier1 97-98: an order to reload" },
	{ 110, 110, "uwsgi modifier1 110: a uWSGI signal" },
	{ 111, 111, "uwsgi modifier1 111: access to a cache" },
	{ 173, 173, "uwsgi modifier1 173: a remote procedure call" },
	{ 0, 255, "uwsgi modifier1 is not 0" }
};

static const char *
uwsgi_kind(uint8_t modifier1)
{
	size_t		 i = 0;

	while (modifier1 < uwsgi_kinds[i].first ||
	    modifier1 > uwsgi_kinds[i].last)
		i++;
	return uwsgi_kinds[i].why;
}

static void
uwsgi_init(struct proto_dec *dec, struct fcgi_stream *table)
{
	(void)table;
	memset(&dec->u.uwsgi, 0, sizeof(dec->u.uwsgi));
}

static void
uwsgi_took(struct proto_dec *dec, uint64_t n)
{
	assert(n <= dec->u.uwsgi.left);
	dec->u.uwsgi.left -= n;
}

/* As much of the block or body as the input has. */
static struct proto_str
uwsgi_take(struct proto_dec *dec, struct proto_str *in)
{
	struct proto_str data = *in;

	if (data.len > dec->u.uwsgi.left)
		data.len = (size_t)dec->u.uwsgi.left;
	in->p += data.len;
	in->len -= data.len;
	uwsgi_took(dec, data.len);
	return data;
}

/* modifier1, datasize (little-endian), modifier2, which means nothing to us. */
static enum proto_ev
uwsgi_decode_head(struct uwsgi_dec *u, struct proto_str *in,
    struct proto_event *ev)
{
	for (; in->len > 0 && u->have < sizeof(u->head); in->p++, in->len--)
		u->head[u->have++] = (uint8_t)*in->p;
	if (u->have < sizeof(u->head))
		return PROTO_NEED;
	if (u->head[0] != 0) {
		ev->why = uwsgi_kind(u->head[0]);
		return PROTO_ERROR;
	}
	u->left = (uint64_t)(u->head[1] | u->head[2] << 8);
	if (u->left == 0) {
		ev->status = 400;
		ev->why = "uwsgi packet without variables";
		return PROTO_ERROR;
	}
	u->phase = PHASE_BLOCK;
	return PROTO_BEGIN;
}

/* The block or the body: its next bytes, or at its end the next phase. */
static enum proto_ev
uwsgi_decode_data(struct proto_dec *dec, struct proto_str *in,
    struct proto_event *ev)
{
	struct uwsgi_dec *u = &dec->u.uwsgi;
	bool		 block = u->phase == PHASE_BLOCK;

	if (u->left == 0) {
		u->phase++;
		return block ? PROTO_HEAD : PROTO_END;
	}
	if (in->len == 0)
		return PROTO_NEED;
	ev->data = uwsgi_take(dec, in);
	return block ? PROTO_PARAMS : PROTO_BODY;
}

static enum proto_ev
uwsgi_decode(struct proto_dec *dec, struct proto_str *in,
    struct proto_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	switch (dec->u.uwsgi.phase) {
	case PHASE_HEAD:
		return uwsgi_decode_head(&dec->u.uwsgi, in, ev);
	case PHASE_BLOCK:
	case PHASE_BODY:
		return uwsgi_decode_data(dec, in, ev);
	default:
		in->p += in->len;
		in->len = 0;
		return PROTO_NEED;
	}
}

static void
uwsgi_expect(struct proto_dec *dec, uint64_t length)
{
	dec->u.uwsgi.left = length;
}

static uint64_t
uwsgi_body_left(const struct proto_dec *dec)
{
	return dec->u.uwsgi.phase == PHASE_BODY ? dec->u.uwsgi.left : 0;
}

static void
uwsgi_done(struct proto_dec *dec, uint16_t id)
{
	(void)id;
	dec->u.uwsgi.phase = PHASE_REST;
}

/* Take one length and as many bytes as it says. */
static bool
uwsgi_pair_half(struct proto_str *block, struct proto_str *half)
{
	const uint8_t	*p = (const uint8_t *)block->p;

	if (block->len < 2)
		return false;
	half->len = (size_t)(p[0] | p[1] << 8);
	half->p = block->p + 2;
	if (half->len > block->len - 2)
		return false;
	block->p = half->p + half->len;
	block->len -= 2 + half->len;
	return true;
}

static int
uwsgi_pair(struct proto_str *block, struct proto_str *name,
    struct proto_str *value)
{
	if (block->len == 0)
		return 0;
	if (!uwsgi_pair_half(block, name) || name->len == 0)
		return -1;
	return uwsgi_pair_half(block, value) ? 1 : -1;
}

/* Nothing is framed, and there is nowhere for errors to go. */
static size_t
uwsgi_frame(uint8_t out[PROTO_FRAME_MAX], uint16_t id, size_t len)
{
	(void)out;
	(void)id;
	(void)len;
	return 0;
}

static size_t
uwsgi_end(uint8_t out[PROTO_END_MAX], uint16_t id, uint32_t app_status,
    uint8_t end_status)
{
	(void)out;
	(void)id;
	(void)app_status;
	(void)end_status;
	return 0;
}

const struct proto_ops uwsgi_ops = {
	.name = "uwsgi",
	.first_byte = 0,
	.status_line = true,
	.keeps = false,
	.ends_body = false,
	.record_max = SIZE_MAX,
	.init = uwsgi_init,
	.decode = uwsgi_decode,
	.expect = uwsgi_expect,
	.body_left = uwsgi_body_left,
	.took = uwsgi_took,
	.done = uwsgi_done,
	.pair = uwsgi_pair,
	.frame = uwsgi_frame,
	.err_frame = uwsgi_frame,
	.end = uwsgi_end
};

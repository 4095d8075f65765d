/* SPDX-License-Identifier: MIT */
/*
 * FastCGI: records in, events out. A record is opened when its header is
 * complete; its content is then handed out as it comes, gathered, or skipped,
 * and its padding always skipped.
 *
 *	HEADER --> BEGIN, VALUES, PARAMS or BODY --> SKIP --> HEADER
 *	      `--> HELD, until done() lets the record be opened
 */
#include <assert.h>
#include <fastcgi.h>
#include <stdio.h>
#include <string.h>

#include "proto/pair.h"
#include "proto/proto.h"

enum fcgi_phase {
	PHASE_HEADER,
	PHASE_HELD,		/* a BEGIN whose header is read must wait */
	PHASE_BEGIN,
	PHASE_VALUES,
	PHASE_PARAMS,
	PHASE_BODY,
	PHASE_SKIP
};

/* The life of an active id; from STREAM_WHOLE on nothing more is expected. */
enum fcgi_state {
	STREAM_PARAMS,
	STREAM_BODY,
	STREAM_WHOLE,
	STREAM_ABORTED
};

enum fcgi_values_phase {
	VALUES_NAME_LEN,
	VALUES_VALUE_LEN,
	VALUES_PAIR
};

/* The bits of fcgi_values.asked, in the order in which they are answered. */
static const char *const fcgi_names[] = {
	FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS
};
#define FCGI_NNAMES	(sizeof(fcgi_names) / sizeof(fcgi_names[0]))

static size_t
fcgi_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
fcgi_encode_header(uint8_t *out, uint8_t type, uint16_t id, size_t len)
{
	const FCGI_Header h = {
		.version = FCGI_VERSION_1,
		.type = type,
		.requestIdB1 = (uint8_t)(id >> 8),
		.requestIdB0 = (uint8_t)id,
		.contentLengthB1 = (uint8_t)(len >> 8),
		.contentLengthB0 = (uint8_t)len
	};

	memcpy(out, &h, sizeof(h));
}

static struct fcgi_stream *
fcgi_streams(struct fcgi_dec *f)
{
	return f->streams != NULL ? f->streams : &f->one;
}

/* The entry of an active id; of id 0 a free one. NULL if there is none. */
static struct fcgi_stream *
fcgi_find(struct fcgi_dec *f, uint16_t id)
{
	struct fcgi_stream *s = fcgi_streams(f);
	uint16_t	 i;

	for (i = 0; i < f->nstreams; i++)
		if (s[i].id == id)
			return &s[i];
	return NULL;
}

/* Without multiplexing a BEGIN waits for the answer to what came before it. */
static bool
fcgi_must_hold(struct fcgi_dec *f)
{
	const struct fcgi_stream *s = fcgi_streams(f);

	return f->nstreams == 1 && s->id != 0 && s->state >= STREAM_WHOLE;
}

/* What is left of the current record, content and padding, means nothing. */
static enum proto_ev
fcgi_skip(struct fcgi_dec *f)
{
	f->left += f->padding;
	f->padding = 0;
	f->phase = f->left > 0 ? PHASE_SKIP : PHASE_HEADER;
	return PROTO_NEED;
}

static void
fcgi_took(struct proto_dec *dec, uint64_t n)
{
	struct fcgi_dec	*f = &dec->u.fcgi;

	assert(n <= f->left);
	f->left -= (uint32_t)n;
	if (f->left == 0)
		fcgi_skip(f);
}

/* As much of the current content as the input has. */
static struct proto_str
fcgi_take(struct proto_dec *dec, struct proto_str *in)
{
	struct proto_str data = { in->p, fcgi_min(in->len, dec->u.fcgi.left) };

	in->p += data.len;
	in->len -= data.len;
	fcgi_took(dec, data.len);
	return data;
}

/*
 * The next 8 bytes, a header or a BEGIN body, in place if the input has them
 * all. NULL until it has. The structs of fastcgi.h are bytes only.
 */
static const void *
fcgi_gather(struct fcgi_dec *f, struct proto_str *in)
{
	const void	*whole = in->p;
	size_t		 n = fcgi_min(in->len, sizeof(f->head) - f->have);

	if (n < sizeof(f->head)) {
		memcpy(f->head + f->have, in->p, n);
		whole = f->head;
	}
	in->p += n;
	in->len -= n;
	f->have += (uint8_t)n;
	if (f->have < sizeof(f->head))
		return NULL;
	f->have = 0;
	return whole;
}

static enum proto_ev
fcgi_error(struct proto_event *ev, uint16_t status, const char *why)
{
	ev->status = status;
	ev->why = why;
	return PROTO_ERROR;
}

static enum proto_ev
fcgi_refuse(struct proto_event *ev, uint16_t status, uint8_t end_status,
    const char *why)
{
	ev->status = status;
	ev->end_status = end_status;
	ev->why = why;
	return PROTO_REFUSE;
}

/* Answer a management record with reply, which ends after len content bytes. */
static enum proto_ev
fcgi_reply(struct fcgi_values *v, uint8_t type, size_t len,
    struct proto_event *ev)
{
	fcgi_encode_header(v->reply, type, FCGI_NULL_REQUEST_ID, len);
	ev->data.p = (const char *)v->reply;
	ev->data.len = FCGI_HEADER_LEN + len;
	return PROTO_REPLY;
}

/* Append one pair to the reply's content of len bytes; returns its new size. */
static size_t
fcgi_reply_pair(struct fcgi_values *v, size_t len, const char *name,
    uint32_t value)
{
	char		*out = (char *)v->reply + FCGI_HEADER_LEN + len;
	size_t		 room = sizeof(v->reply) - FCGI_HEADER_LEN - len;
	int		 n;

	/* Name and value lengths are one byte each, set once they are known. */
	n = snprintf(out + 2, room - 2, "%s%u", name, (unsigned)value);
	out[0] = (char)strlen(name);
	out[1] = (char)(n - out[0]);
	return len + 2 + (size_t)n;
}

/*
 * Answer what was asked so far, each name once, in one record of exact size.
 * Three names with their values are 64 bytes at most, however often and in
 * whatever form they were asked.
 */
static enum proto_ev
fcgi_reply_values(struct proto_dec *dec, struct proto_event *ev)
{
	const uint32_t	 values[FCGI_NNAMES] = {
		dec->limits.max_conns,
		dec->limits.streams,
		dec->limits.streams > 1
	};
	struct fcgi_values *v = &dec->u.fcgi.values;
	size_t		 i, len = 0;

	for (i = 0; i < FCGI_NNAMES; i++)
		if (v->asked & 1u << i)
			len = fcgi_reply_pair(v, len, fcgi_names[i], values[i]);
	return fcgi_reply(v, FCGI_GET_VALUES_RESULT, len, ev);
}

static enum proto_ev
fcgi_reply_unknown(struct fcgi_dec *f, struct proto_event *ev)
{
	const FCGI_UnknownTypeBody body = { .type = f->type };

	memcpy(f->values.reply + FCGI_HEADER_LEN, &body, sizeof(body));
	return fcgi_reply(&f->values, FCGI_UNKNOWN_TYPE, sizeof(body), ev);
}

/* One byte of a pair's length: true when it was the last. */
static bool
fcgi_values_length(struct fcgi_values *v, uint32_t *len, uint8_t c)
{
	if (v->more > 0) {
		*len = *len << 8 | c;
		return --v->more == 0;
	}
	*len = c & 0x7f;
	if (c & 0x80)
		v->more = 3;
	return v->more == 0;
}

/* One byte of a pair's name or value. */
static void
fcgi_values_pair(struct fcgi_values *v, uint8_t c)
{
	size_t		 i;

	if (v->at < sizeof(v->name))
		v->name[v->at] = (char)c;
	if (++v->at != v->nlen)
		return;
	for (i = 0; i < FCGI_NNAMES; i++)
		if (v->nlen == strlen(fcgi_names[i]) &&
		    memcmp(v->name, fcgi_names[i], v->nlen) == 0)
			v->asked |= (uint8_t)(1u << i);
}

static void
fcgi_values_byte(struct fcgi_values *v, uint8_t c)
{
	switch (v->phase) {
	case VALUES_NAME_LEN:
		if (fcgi_values_length(v, &v->nlen, c))
			v->phase = VALUES_VALUE_LEN;
		return;
	case VALUES_VALUE_LEN:
		if (!fcgi_values_length(v, &v->vlen, c))
			return;
		v->phase = VALUES_PAIR;
		v->at = 0;
		break;
	case VALUES_PAIR:
		fcgi_values_pair(v, c);
		break;
	}
	/* Two lengths of 31 bits: the sum fits. */
	if (v->at == v->nlen + v->vlen)
		v->phase = VALUES_NAME_LEN;
}

/*
 * The names are read as they come, so a pair may be cut anywhere, and answered
 * with the last content byte: HAProxy sends nothing more until it has heard.
 */
static enum proto_ev
fcgi_decode_values(struct proto_dec *dec, struct proto_str *in,
    struct proto_event *ev)
{
	struct fcgi_dec	*f = &dec->u.fcgi;
	struct proto_str data = fcgi_take(dec, in);

	for (; data.len > 0; data.p++, data.len--)
		fcgi_values_byte(&f->values, (uint8_t)*data.p);
	if (f->phase == PHASE_VALUES)
		return PROTO_NEED;
	return fcgi_reply_values(dec, ev);
}

static enum proto_ev
fcgi_open_values(struct proto_dec *dec, struct proto_event *ev)
{
	struct fcgi_dec	*f = &dec->u.fcgi;

	f->values.phase = VALUES_NAME_LEN;
	f->values.more = 0;
	f->values.asked = 0;
	f->phase = PHASE_VALUES;
	if (f->left > 0)
		return PROTO_NEED;
	fcgi_skip(f);
	return fcgi_reply_values(dec, ev);
}

/* A record of id 0 concerns the connection. */
static enum proto_ev
fcgi_open_management(struct proto_dec *dec, struct proto_event *ev)
{
	struct fcgi_dec	*f = &dec->u.fcgi;

	if (f->type == FCGI_GET_VALUES)
		return fcgi_open_values(dec, ev);
	if (f->type >= FCGI_BEGIN_REQUEST && f->type < FCGI_GET_VALUES)
		return fcgi_error(ev, 0, "request record with id 0");
	fcgi_skip(f);
	if (f->type == FCGI_GET_VALUES_RESULT || f->type == FCGI_UNKNOWN_TYPE)
		return PROTO_NEED;
	return fcgi_reply_unknown(f, ev);
}

static enum proto_ev
fcgi_open_begin(struct fcgi_dec *f, struct proto_event *ev)
{
	if (fcgi_must_hold(f)) {
		f->phase = PHASE_HELD;
		return PROTO_HOLD;
	}
	if (f->left != sizeof(FCGI_BeginRequestBody))
		return fcgi_error(ev, 0, "BEGIN_REQUEST is not 8 bytes long");
	if (fcgi_find(f, f->id) != NULL)
		return fcgi_error(ev, 0, "BEGIN_REQUEST for an active id");
	f->phase = PHASE_BEGIN;
	return PROTO_NEED;
}

static enum proto_ev
fcgi_open_params(struct fcgi_dec *f, struct fcgi_stream *s,
    struct proto_event *ev)
{
	if (s->state == STREAM_PARAMS && f->left > 0) {
		f->phase = PHASE_PARAMS;
		return PROTO_NEED;
	}
	if (s->state == STREAM_PARAMS) {
		s->state = STREAM_BODY;
		fcgi_skip(f);
		return PROTO_HEAD;
	}
	/* nginx without parameters ends them twice. */
	if (f->left == 0)
		return fcgi_skip(f);
	return fcgi_error(ev, s->state == STREAM_BODY ? 400 : 0,
	    "PARAMS after their end");
}

static enum proto_ev
fcgi_open_stdin(struct fcgi_dec *f, struct fcgi_stream *s,
    struct proto_event *ev)
{
	if (s->state == STREAM_PARAMS)
		return fcgi_error(ev, 0, "STDIN before the end of PARAMS");
	if (s->state == STREAM_BODY && f->left > 0) {
		f->phase = PHASE_BODY;
		return PROTO_NEED;
	}
	if (f->left > 0)
		return fcgi_error(ev, 0, "STDIN after its end");
	fcgi_skip(f);
	if (s->state == STREAM_WHOLE)
		return PROTO_NEED;
	s->state = STREAM_WHOLE;
	return PROTO_END;
}

/*
 * A header is complete, or a hold may be over. A record for an id that is not
 * active, or was given up, is skipped in silence, and so is what only we send.
 */
static enum proto_ev
fcgi_open(struct proto_dec *dec, struct proto_event *ev)
{
	struct fcgi_dec	*f = &dec->u.fcgi;
	struct fcgi_stream *s;

	if (f->id == FCGI_NULL_REQUEST_ID)
		return fcgi_open_management(dec, ev);
	if (f->type == FCGI_BEGIN_REQUEST)
		return fcgi_open_begin(f, ev);
	s = fcgi_find(f, f->id);
	if (s == NULL || s->state == STREAM_ABORTED)
		return fcgi_skip(f);
	switch (f->type) {
	case FCGI_PARAMS:
		return fcgi_open_params(f, s, ev);
	case FCGI_STDIN:
		return fcgi_open_stdin(f, s, ev);
	case FCGI_ABORT_REQUEST:
		s->state = STREAM_ABORTED;
		fcgi_skip(f);
		return PROTO_ABORT;
	default:
		return fcgi_skip(f);
	}
}

static enum proto_ev
fcgi_decode_header(struct proto_dec *dec, struct proto_str *in,
    struct proto_event *ev)
{
	struct fcgi_dec	*f = &dec->u.fcgi;
	const FCGI_Header *h = fcgi_gather(f, in);

	if (h == NULL)
		return PROTO_NEED;
	if (h->version != FCGI_VERSION_1)
		return fcgi_error(ev, 0, "not a FastCGI version 1 record");
	f->type = h->type;
	f->padding = h->paddingLength;
	f->id = (uint16_t)(h->requestIdB1 << 8 | h->requestIdB0);
	f->left = (uint32_t)(h->contentLengthB1 << 8 | h->contentLengthB0);
	return fcgi_open(dec, ev);
}

static enum proto_ev
fcgi_decode_begin(struct fcgi_dec *f, struct proto_str *in,
    struct proto_event *ev)
{
	const FCGI_BeginRequestBody *b = fcgi_gather(f, in);
	struct fcgi_stream *s;

	if (b == NULL)
		return PROTO_NEED;
	f->left = 0;
	fcgi_skip(f);
	ev->keep = b->flags & FCGI_KEEP_CONN;
	if (b->roleB1 != 0 || b->roleB0 != FCGI_RESPONDER)
		return fcgi_refuse(ev, 500, FCGI_UNKNOWN_ROLE,
		    "FastCGI role is not responder");
	s = fcgi_find(f, 0);
	if (s == NULL && f->nstreams == 1)
		return fcgi_refuse(ev, 503, FCGI_CANT_MPX_CONN,
		    "second request on a busy connection: set "
		    "fastcgi_multiplex, or drop mpxs-conns in the proxy");
	if (s == NULL)
		return fcgi_refuse(ev, 503, FCGI_OVERLOADED,
		    "more requests on one connection than fastcgi_multiplex: "
		    "raise it, or drop mpxs-conns in the proxy");
	s->id = f->id;
	s->state = STREAM_PARAMS;
	return PROTO_BEGIN;
}

/* One phase's worth of input. PROTO_NEED: no event yet. */
static enum proto_ev
fcgi_step(struct proto_dec *dec, struct proto_str *in, struct proto_event *ev)
{
	switch (dec->u.fcgi.phase) {
	case PHASE_HEADER:
		return fcgi_decode_header(dec, in, ev);
	case PHASE_HELD:
		return fcgi_open(dec, ev);
	case PHASE_BEGIN:
		return fcgi_decode_begin(&dec->u.fcgi, in, ev);
	case PHASE_VALUES:
		return fcgi_decode_values(dec, in, ev);
	case PHASE_PARAMS:
		ev->data = fcgi_take(dec, in);
		return PROTO_PARAMS;
	case PHASE_BODY:
		ev->data = fcgi_take(dec, in);
		return PROTO_BODY;
	default:
		fcgi_take(dec, in);
		return PROTO_NEED;
	}
}

static enum proto_ev
fcgi_decode(struct proto_dec *dec, struct proto_str *in,
    struct proto_event *ev)
{
	const struct fcgi_dec *f = &dec->u.fcgi;
	enum proto_ev	 what = PROTO_NEED;

	memset(ev, 0, sizeof(*ev));
	while (what == PROTO_NEED && (in->len > 0 || f->phase == PHASE_HELD))
		what = fcgi_step(dec, in, ev);
	ev->id = f->id;
	return what;
}

static void
fcgi_init(struct proto_dec *dec, struct fcgi_stream *table)
{
	struct fcgi_dec	*f = &dec->u.fcgi;

	memset(f, 0, sizeof(*f));
	f->streams = table;
	f->nstreams = dec->limits.streams;
	memset(fcgi_streams(f), 0, f->nstreams * sizeof(*table));
}

/* STDIN ends itself, whatever length was promised. */
static void
fcgi_expect(struct proto_dec *dec, uint64_t length)
{
	(void)dec;
	(void)length;
}

static uint64_t
fcgi_body_left(const struct proto_dec *dec)
{
	const struct fcgi_dec *f = &dec->u.fcgi;

	return f->phase == PHASE_BODY && f->nstreams == 1 ? f->left : 0;
}

static void
fcgi_done(struct proto_dec *dec, uint16_t id)
{
	struct fcgi_dec	*f = &dec->u.fcgi;
	struct fcgi_stream *s = fcgi_find(f, id);

	if (s == NULL)
		return;
	s->id = 0;
	if (f->id == id && (f->phase == PHASE_PARAMS || f->phase == PHASE_BODY))
		fcgi_skip(f);
}

static size_t
fcgi_frame(uint8_t out[PROTO_FRAME_MAX], uint16_t id, size_t len)
{
	fcgi_encode_header(out, FCGI_STDOUT, id, len);
	return FCGI_HEADER_LEN;
}

static size_t
fcgi_err_frame(uint8_t out[PROTO_FRAME_MAX], uint16_t id, size_t len)
{
	fcgi_encode_header(out, FCGI_STDERR, id, len);
	return FCGI_HEADER_LEN;
}

/* The empty STDOUT record that ends the stream, and END_REQUEST. */
static size_t
fcgi_end(uint8_t out[PROTO_END_MAX], uint16_t id, uint32_t app_status,
    uint8_t end_status)
{
	const FCGI_EndRequestBody body = {
		.appStatusB3 = (uint8_t)(app_status >> 24),
		.appStatusB2 = (uint8_t)(app_status >> 16),
		.appStatusB1 = (uint8_t)(app_status >> 8),
		.appStatusB0 = (uint8_t)app_status,
		.protocolStatus = end_status
	};

	fcgi_encode_header(out, FCGI_STDOUT, id, 0);
	out += FCGI_HEADER_LEN;
	fcgi_encode_header(out, FCGI_END_REQUEST, id, sizeof(body));
	memcpy(out + FCGI_HEADER_LEN, &body, sizeof(body));
	return 2 * FCGI_HEADER_LEN + sizeof(body);
}

const struct proto_ops fcgi_ops = {
	.name = "fastcgi",
	.first_byte = FCGI_VERSION_1,
	.status_line = false,
	.keeps = true,
	.ends_body = true,
	.record_max = FCGI_MAX_LENGTH,
	.init = fcgi_init,
	.decode = fcgi_decode,
	.expect = fcgi_expect,
	.body_left = fcgi_body_left,
	.took = fcgi_took,
	.done = fcgi_done,
	.pair = fcgi_pair,
	.frame = fcgi_frame,
	.err_frame = fcgi_err_frame,
	.end = fcgi_end
};

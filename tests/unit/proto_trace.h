/* SPDX-License-Identifier: MIT */
/*
 * Drives a codec as a worker would and writes down what it reports, one line
 * an event, so that two runs can be compared and a test can say what it wants:
 *
 *	BEGIN 1 keep
 *	PARAMS 1 \x03\x01ONE1
 *	HEAD 1
 *
 * Neighbouring slices of one stream are one line, for how a stream is cut
 * means nothing. Long data is named by its length; data_hash covers all of it.
 */
#ifndef TESTS_PROTO_TRACE_H
#define TESTS_PROTO_TRACE_H

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"

#define TRACE_STREAMS	8		/* most streams a policy may allow */
#define TRACE_SHOWN	120		/* longest data that is shown */

/* When the worker that is played answers, and how it reads bodies. */
struct trace_policy {
	uint16_t	 streams;	/* 0 is 1 */
	uint32_t	 max_conns;
	uint64_t	 length;	/* CONTENT_LENGTH, for expect() */
	bool		 early;		/* answer at HEAD, the body unread */
	bool		 prompt;	/* answer at END and ABORT */
	bool		 direct;	/* read bodies by body_left(), took() */
};

struct trace {
	struct proto_dec dec;
	struct fcgi_stream table[TRACE_STREAMS];
	struct trace_policy policy;
	uint16_t	 id;		/* of the last BEGIN */
	bool		 dead;
	const char	*why;		/* of the last REFUSE or ERROR */
	uint64_t	 data_hash;
	enum proto_ev	 open;		/* whose data line is unfinished */
	uint16_t	 open_id;
	size_t		 open_len;	/* all of it; shown holds the start */
	char		 shown[TRACE_SHOWN];
	char		*text;
	size_t		 len, room;
};

static inline void __attribute__((format(printf, 2, 3)))
trace_printf(struct trace *t, const char *fmt, ...)
{
	va_list		 ap;
	int		 n;

	if (t->room - t->len < 256) {
		t->room = t->room * 2 + 1024;
		t->text = realloc(t->text, t->room);
		assert(t->text != NULL);
	}
	va_start(ap, fmt);
	n = vsnprintf(t->text + t->len, t->room - t->len, fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < t->room - t->len);
	t->len += (size_t)n;
}

/* Finish the line of data that is open. */
static inline void
trace_flush(struct trace *t)
{
	size_t		 i;

	if (t->open == PROTO_NEED)
		return;
	trace_printf(t, "%s %u ", t->open == PROTO_PARAMS ? "PARAMS" :
	    t->open == PROTO_BODY ? "BODY" : "REPLY", t->open_id);
	if (t->open_len > TRACE_SHOWN)
		trace_printf(t, "%zu bytes", t->open_len);
	for (i = 0; t->open_len <= TRACE_SHOWN && i < t->open_len; i++)
		trace_printf(t, isprint((unsigned char)t->shown[i]) ? "%c" :
		    "\\x%02x", (unsigned char)t->shown[i]);
	trace_printf(t, "\n");
	t->open = PROTO_NEED;
}

static inline void
trace_data(struct trace *t, enum proto_ev what, uint16_t id,
    struct proto_str data)
{
	size_t		 i;

	if (t->open != what || t->open_id != id || what == PROTO_REPLY)
		trace_flush(t);
	if (t->open == PROTO_NEED)
		t->open_len = 0;
	t->open = what;
	t->open_id = id;
	for (i = 0; i < data.len; i++, t->open_len++) {
		if (t->open_len < TRACE_SHOWN)
			t->shown[t->open_len] = data.p[i];
		t->data_hash = (t->data_hash ^ (uint8_t)data.p[i]) *
		    0x100000001b3;
	}
}

static inline void
trace_event(struct trace *t, enum proto_ev what, const struct proto_event *ev)
{
	if (what == PROTO_PARAMS || what == PROTO_BODY || what == PROTO_REPLY) {
		trace_data(t, what, ev->id, ev->data);
		return;
	}
	trace_flush(t);
	if (what == PROTO_REFUSE || what == PROTO_ERROR) {
		assert(ev->why != NULL);
		t->why = ev->why;
	}
	switch (what) {
	case PROTO_BEGIN:
		trace_printf(t, "BEGIN %u%s\n", ev->id,
		    ev->keep ? " keep" : "");
		break;
	case PROTO_REFUSE:
		trace_printf(t, "REFUSE %u%s %u end %u\n", ev->id,
		    ev->keep ? " keep" : "", ev->status, ev->end_status);
		break;
	case PROTO_ERROR:
		trace_printf(t, "ERROR %u %u\n", ev->id, ev->status);
		break;
	default:
		trace_printf(t, "%s %u\n", what == PROTO_HEAD ? "HEAD" :
		    what == PROTO_END ? "END" : "ABORT", ev->id);
	}
}

/* What the worker does about an event. */
static inline void
trace_act(struct trace *t, enum proto_ev what, uint16_t id)
{
	const struct proto_ops *ops = t->dec.ops;

	switch (what) {
	case PROTO_BEGIN:
		t->id = id;
		break;
	case PROTO_HEAD:
		ops->expect(&t->dec, t->policy.length);
		if (t->policy.early)
			ops->done(&t->dec, id);
		break;
	case PROTO_END:
	case PROTO_ABORT:
		if (t->policy.prompt)
			ops->done(&t->dec, id);
		break;
	case PROTO_HOLD:
		ops->done(&t->dec, t->id);
		break;
	case PROTO_ERROR:
		t->dead = true;
		break;
	default:
		break;
	}
}

/* Take body bytes past decode(), as readv() into the body's memory would. */
static inline void
trace_direct(struct trace *t, struct proto_str *in)
{
	uint64_t	 n = t->dec.ops->body_left(&t->dec);
	struct proto_str data = *in;

	if (n < data.len)
		data.len = (size_t)n;
	if (data.len == 0)
		return;
	trace_data(t, PROTO_BODY, t->id, data);
	in->p += data.len;
	in->len -= data.len;
	t->dec.ops->took(&t->dec, data.len);
}

static inline void
trace_init(struct trace *t, const struct proto_ops *ops,
    const struct trace_policy *policy)
{
	memset(t, 0, sizeof(*t));
	t->policy = *policy;
	if (t->policy.streams == 0)
		t->policy.streams = 1;
	assert(t->policy.streams <= TRACE_STREAMS);
	t->dec.ops = ops;
	t->dec.limits.streams = t->policy.streams;
	t->dec.limits.max_conns = policy->max_conns;
	ops->init(&t->dec, t->policy.streams > 1 ? t->table : NULL);
}

static inline void
trace_fini(struct trace *t)
{
	free(t->text);
}

/* Give the codec n more bytes, all of which it must use unless it gives up. */
static inline void
trace_feed(struct trace *t, const void *bytes, size_t n)
{
	struct proto_str in = { bytes, n };
	const char	*end = in.p + n;
	struct proto_event ev;
	enum proto_ev	 what;

	while (!t->dead) {
		if (t->policy.direct)
			trace_direct(t, &in);
		what = t->dec.ops->decode(&t->dec, &in, &ev);
		assert(in.p + in.len == end);
		if (what == PROTO_NEED)
			break;
		if (what != PROTO_HOLD)
			trace_event(t, what, &ev);
		trace_act(t, what, ev.id);
	}
	assert(t->dead || in.len == 0);
}

/* The lines so far. */
static inline const char *
trace_text(struct trace *t)
{
	trace_flush(t);
	return t->text != NULL ? t->text : "";
}

#endif

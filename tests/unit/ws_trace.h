/* SPDX-License-Identifier: MIT */
/*
 * What a WebSocket decoder says, as text: one line an event, the pieces of a
 * message joined, so that whole and cut input can be compared.
 */
#ifndef TESTS_WS_TRACE_H
#define TESTS_WS_TRACE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/ws.h"

struct ws_trace {
	struct ws_dec	 dec;
	bool		 inside;	/* a message has pieces out */
	size_t		 len, cap;
	char		*text;
};

static inline void
ws_trace_add(struct ws_trace *t, const char *p, size_t n)
{
	if (t->len + 4 * n + 1 > t->cap) {
		t->cap = 2 * (t->len + 4 * n + 1);
		t->text = realloc(t->text, t->cap);
		assert(t->text != NULL);
	}
	for (; n > 0; n--, p++)
		t->len += (size_t)sprintf(t->text + t->len,
		    (*p >= ' ' && *p < 0x7F) || *p == '\n' ? "%c" : "\\x%02x",
		    (uint8_t)*p);
}

static inline void
ws_trace_line(struct ws_trace *t, const char *name, int code,
    struct proto_str data)
{
	char head[64];

	if (code != 0)
		snprintf(head, sizeof(head), "%s %d ", name, code);
	else
		snprintf(head, sizeof(head), "%s ", name);
	ws_trace_add(t, head, strlen(head));
	ws_trace_add(t, data.p, data.len);
	ws_trace_add(t, "\n", 1);
}

/* A control frame may stand inside a message: it comes on a line of its own. */
static inline void
ws_trace_data(struct ws_trace *t, const struct ws_event *ev)
{
	const char *name = ev->text ? "TEXT " : "BINARY ";

	if (!t->inside)
		ws_trace_add(t, name, strlen(name));
	ws_trace_add(t, ev->data.p, ev->data.len);
	t->inside = !ev->last;
	if (ev->last)
		ws_trace_add(t, "\n", 1);
}

static inline void
ws_trace_event(struct ws_trace *t, enum ws_ev what, const struct ws_event *ev)
{
	if (what == WS_DATA) {
		ws_trace_data(t, ev);
		return;
	}
	if (t->inside)
		ws_trace_add(t, "...\n", 4);
	t->inside = false;
	if (what == WS_PING)
		ws_trace_line(t, "PING", 0, ev->data);
	else if (what == WS_PONG)
		ws_trace_line(t, "PONG", 0, ev->data);
	else if (what == WS_CLOSE)
		ws_trace_line(t, "CLOSE", ev->code, ev->data);
	else
		ws_trace_line(t, "ERROR", ev->code,
		    (struct proto_str){ ev->why, strlen(ev->why) });
}

/* A piece in a block of its own size: a byte outside of it is noticed. */
static inline void
ws_trace_feed(struct ws_trace *t, const uint8_t *bytes, size_t n)
{
	char *piece = malloc(n > 0 ? n : 1);
	struct ws_input in = { piece, n };
	struct ws_event ev;
	enum ws_ev what;

	assert(piece != NULL);
	memcpy(piece, bytes, n);
	while ((what = ws_decode(&t->dec, &in, &ev)) != WS_NEED)
		ws_trace_event(t, what, &ev);
	assert(in.len == 0 && in.p == piece + n);
	free(piece);
}

#endif

/* SPDX-License-Identifier: MIT */
/* WebSocket frames (RFC 6455), the server's side. */
#include <string.h>

#include "proto/ws.h"

enum ws_phase {
	WS_HEAD,		/* a frame header is being gathered */
	WS_PAYLOAD,		/* of a data frame */
	WS_GATHER,		/* of a control frame */
	WS_DEAD			/* closed or failed */
};

#define FIN	0x80		/* first byte */
#define RSV	0x70
#define CONTROL	0x08		/* opcodes with it */
#define MASKED	0x80		/* second byte */
#define SIZE	0x7F

#define ASCII	UINT64_C(0x8080808080808080)	/* bits that it has not */

void
ws_init(struct ws_dec *dec, uint64_t limit)
{
	memset(dec, 0, sizeof(*dec));
	dec->limit = limit;
}

static uint64_t
ws_load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* By words: the mask of four bytes fits twice, and ends where it began. */
static void
ws_unmask(struct ws_dec *dec, char *p, size_t n)
{
	uint8_t *mask = dec->mask, old[4];
	uint64_t word, twice;
	size_t i;

	memcpy(&twice, mask, 4);
	memcpy((char *)&twice + 4, mask, 4);
	for (; n >= 8; p += 8, n -= 8) {
		word = ws_load(p) ^ twice;
		memcpy(p, &word, 8);
	}
	memcpy(old, mask, 4);
	for (i = 0; i < n; i++)
		p[i] = (char)(p[i] ^ old[i % 4]);
	for (i = 0; i < 4; i++)
		mask[i] = old[(i + n) % 4];
}

/* The first byte of a character (RFC 3629, table 3-7 of Unicode). */
static bool
ws_utf8_lead(struct ws_utf8 *u, uint8_t c)
{
	u->low = 0x80;
	u->high = 0xBF;
	if (c < 0xC2 || c > 0xF4)
		return false;
	u->due = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
	if (c == 0xE0)
		u->low = 0xA0;		/* shorter would do */
	else if (c == 0xED)
		u->high = 0x9F;		/* surrogates */
	else if (c == 0xF0)
		u->low = 0x90;		/* shorter would do */
	else if (c == 0xF4)
		u->high = 0x8F;		/* over U+10FFFF */
	return true;
}

static bool
ws_utf8_next(struct ws_utf8 *u, uint8_t c)
{
	if (u->due == 0)
		return c < 0x80 || ws_utf8_lead(u, c);
	if (c < u->low || c > u->high)
		return false;
	u->low = 0x80;
	u->high = 0xBF;
	u->due--;
	return true;
}

bool
ws_utf8(struct ws_utf8 *u, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		if (u->due == 0 && end - p >= 8 && !(ws_load(p) & ASCII))
			p += 8;
		else if (!ws_utf8_next(u, (uint8_t)*p++))
			return false;
	}
	return true;
}

static enum ws_ev
ws_fail(struct ws_dec *dec, struct ws_event *ev, uint16_t code,
    const char *why)
{
	dec->phase = WS_DEAD;
	ev->code = code;
	ev->why = why;
	return WS_ERROR;
}

/* What is wrong with the first two bytes of a frame, NULL if nothing is. */
static const char *
ws_head_fault(const struct ws_dec *dec)
{
	uint8_t opcode = dec->head[0] & 0x0F, size = dec->head[1] & SIZE;
	bool fin = dec->head[0] & FIN;

	if (dec->head[0] & RSV)
		return "reserved bit";
	if (!(dec->head[1] & MASKED))
		return "frame without a mask";
	switch (opcode) {
	case WS_OP_CONTINUE:
		return dec->open ? NULL : "continuation of nothing";
	case WS_OP_TEXT:
	case WS_OP_BINARY:
		return dec->open ? "message inside a message" : NULL;
	case WS_OP_CLOSE:
	case WS_OP_PING:
	case WS_OP_PONG:
		if (!fin)
			return "control frame in fragments";
		return size > WS_CONTROL_MAX ? "long control frame" : NULL;
	default:
		return "reserved opcode";
	}
}

static size_t
ws_head_size(const struct ws_dec *dec)
{
	uint8_t size = dec->head[1] & SIZE;

	return 2 + (size == 126 ? 2 : size == 127 ? 8 : 0) + 4;
}

/* Bytes until the header is n long; false: more are needed. */
static bool
ws_gather(struct ws_dec *dec, struct ws_input *in, size_t n)
{
	size_t take = n - dec->have;

	if (take > in->len)
		take = in->len;
	memcpy(dec->head + dec->have, in->p, take);
	dec->have += (uint8_t)take;
	in->p += take;
	in->len -= take;
	return dec->have == n;
}

/* The payload's length; *fault is set where more bytes say it than needed. */
static uint64_t
ws_length(const struct ws_dec *dec, const char **fault)
{
	uint8_t size = dec->head[1] & SIZE, i;
	uint64_t length = 0;

	if (size < 126)
		return size;
	for (i = 2; i < (size == 126 ? 4 : 10); i++)
		length = length << 8 | dec->head[i];
	if (length < (size == 126 ? 126 : 65536))
		*fault = "length in more bytes than it needs";
	else if (length >> 63)
		*fault = "length over 63 bits";
	return length;
}

/* A data frame begins: of a new message, or more of one. */
static enum ws_ev
ws_begin(struct ws_dec *dec, struct ws_event *ev)
{
	if (dec->opcode != WS_OP_CONTINUE) {
		dec->open = true;
		dec->text = dec->opcode == WS_OP_TEXT;
		dec->message = 0;
		memset(&dec->utf8, 0, sizeof(dec->utf8));
	}
	if (dec->left > UINT64_MAX / 2 - dec->message ||
	    (dec->limit != 0 && dec->message + dec->left > dec->limit))
		return ws_fail(dec, ev, WS_TOO_BIG, "message over the limit");
	dec->message += dec->left;
	dec->phase = WS_PAYLOAD;
	return WS_NEED;
}

/* WS_NEED with another phase: the header is complete. */
static enum ws_ev
ws_head(struct ws_dec *dec, struct ws_input *in, struct ws_event *ev)
{
	const char *fault;
	size_t size;

	if (dec->have < 2 && !ws_gather(dec, in, 2))
		return WS_NEED;
	if ((fault = ws_head_fault(dec)) != NULL)
		return ws_fail(dec, ev, WS_PROTOCOL, fault);
	size = ws_head_size(dec);
	if (!ws_gather(dec, in, size))
		return WS_NEED;
	dec->have = 0;
	dec->fin = dec->head[0] & FIN;
	dec->opcode = dec->head[0] & 0x0F;
	dec->left = ws_length(dec, &fault);
	memcpy(dec->mask, dec->head + size - 4, 4);
	if (fault != NULL)
		return ws_fail(dec, ev, WS_PROTOCOL, fault);
	if (!(dec->opcode & CONTROL))
		return ws_begin(dec, ev);
	dec->ncontrol = 0;
	dec->phase = WS_GATHER;
	return WS_NEED;
}

/* Payload bytes that are there, unmasked; they leave the input. */
static struct proto_str
ws_take(struct ws_dec *dec, struct ws_input *in)
{
	size_t n = dec->left < in->len ? (size_t)dec->left : in->len;
	char *p = in->p;

	if (n > 0)
		ws_unmask(dec, p, n);
	dec->left -= n;
	in->p += n;
	in->len -= n;
	return (struct proto_str){ p, n };
}

/* Empty pieces are told only where they end a message. */
static enum ws_ev
ws_payload(struct ws_dec *dec, struct ws_input *in, struct ws_event *ev)
{
	ev->data = ws_take(dec, in);
	ev->text = dec->text;
	ev->last = dec->left == 0 && dec->fin;
	if (dec->text && (!ws_utf8(&dec->utf8, ev->data.p, ev->data.len) ||
	    (ev->last && dec->utf8.due != 0)))
		return ws_fail(dec, ev, WS_BAD_DATA, "text is not UTF-8");
	if (dec->left == 0)
		dec->phase = WS_HEAD;
	if (ev->last)
		dec->open = false;
	return ev->data.len > 0 || ev->last ? WS_DATA : WS_NEED;
}

bool
ws_is_code(uint16_t code)
{
	return (code >= 1000 && code <= 1003) ||
	    (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum ws_ev
ws_closed(struct ws_dec *dec, struct ws_event *ev)
{
	const uint8_t *p = (const uint8_t *)dec->control;
	struct ws_utf8 u = { 0 };

	dec->phase = WS_DEAD;
	ev->code = WS_NO_CODE;
	ev->data = (struct proto_str){ dec->control, 0 };
	if (dec->ncontrol == 0)
		return WS_CLOSE;
	ev->code = (uint16_t)(p[0] << 8 | p[1]);
	if (dec->ncontrol == 1 || !ws_is_code(ev->code))
		return ws_fail(dec, ev, WS_PROTOCOL, "bad close code");
	ev->data = (struct proto_str){ dec->control + 2,
	    (size_t)dec->ncontrol - 2 };
	if (!ws_utf8(&u, ev->data.p, ev->data.len) || u.due != 0)
		return ws_fail(dec, ev, WS_BAD_DATA, "reason is not UTF-8");
	return WS_CLOSE;
}

static enum ws_ev
ws_control(struct ws_dec *dec, struct ws_input *in, struct ws_event *ev)
{
	struct proto_str piece = ws_take(dec, in);

	memcpy(dec->control + dec->ncontrol, piece.p, piece.len);
	dec->ncontrol += (uint8_t)piece.len;
	if (dec->left > 0)
		return WS_NEED;
	dec->phase = WS_HEAD;
	if (dec->opcode == WS_OP_CLOSE)
		return ws_closed(dec, ev);
	ev->data = (struct proto_str){ dec->control, dec->ncontrol };
	return dec->opcode == WS_OP_PING ? WS_PING : WS_PONG;
}

/*
 * A step that needs nothing more of the input says WS_NEED as well: the phase
 * has changed then, and the next step may find its bytes, or need none.
 */
enum ws_ev
ws_decode(struct ws_dec *dec, struct ws_input *in, struct ws_event *ev)
{
	enum ws_ev res;
	uint8_t phase;

	do {
		phase = dec->phase;
		*ev = (struct ws_event){ 0 };
		switch (phase) {
		case WS_HEAD:
			res = ws_head(dec, in, ev);
			break;
		case WS_PAYLOAD:
			res = ws_payload(dec, in, ev);
			break;
		case WS_GATHER:
			res = ws_control(dec, in, ev);
			break;
		default:
			in->p += in->len;
			in->len = 0;
			return WS_NEED;
		}
	} while (res == WS_NEED && (in->len > 0 || dec->phase != phase));
	return res;
}

size_t
ws_frame(uint8_t out[WS_HEAD_MAX], enum ws_opcode opcode, bool fin,
    uint64_t len)
{
	size_t n = len < 126 ? 0 : len < 65536 ? 2 : 8, i;

	out[0] = (uint8_t)(opcode | (fin ? FIN : 0));
	out[1] = n == 0 ? (uint8_t)len : n == 2 ? 126 : 127;
	for (i = 0; i < n; i++)
		out[2 + i] = (uint8_t)(len >> 8 * (n - 1 - i));
	return 2 + n;
}

/* A character that would be cut in two is left out. */
static size_t
ws_cut(struct proto_str s, size_t max)
{
	if (s.len <= max)
		return s.len;
	while (max > 0 && ((uint8_t)s.p[max] & 0xC0) == 0x80)
		max--;
	return max;
}

size_t
ws_close(uint8_t out[WS_CLOSE_MAX], uint16_t code, struct proto_str reason)
{
	size_t n = ws_cut(reason, WS_CONTROL_MAX - 2);

	if (code == WS_NO_CODE)
		return ws_frame(out, WS_OP_CLOSE, true, 0);
	(void)ws_frame(out, WS_OP_CLOSE, true, 2 + n);
	out[2] = (uint8_t)(code >> 8);
	out[3] = (uint8_t)code;
	if (n > 0)
		memcpy(out + 4, reason.p, n);
	return 4 + n;
}

/* 22 characters and "==": the last one has four bits that must be 0. */
bool
ws_is_key(struct proto_str key)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	if (key.len != 24 || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (i = 0; i < 22; i++)
		if (key.p[i] == '\0' || strchr(digits, key.p[i]) == NULL)
			return false;
	return strchr("AQgw", key.p[21]) != NULL;
}

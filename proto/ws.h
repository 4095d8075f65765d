/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames (RFC 6455), the server's side: bytes in, events out. No
 * allocation, no I/O; any split of the input gives the same messages. No
 * extensions are negotiated, so none is accepted.
 */
#ifndef PROTO_WS_H
#define PROTO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/proto.h"

/* Close codes that are ours to send or to report. */
#define WS_NORMAL	1000
#define WS_PROTOCOL	1002
#define WS_NO_CODE	1005	/* reported only: a close without one */
#define WS_LOST		1006	/* reported only: no close at all */
#define WS_BAD_DATA	1007	/* text that is not UTF-8 */
#define WS_TOO_BIG	1009
#define WS_FAILED	1011	/* the application */
#define WS_RESTART	1012	/* the server goes away */

enum ws_opcode {
	WS_OP_CONTINUE = 0x0, WS_OP_TEXT = 0x1, WS_OP_BINARY = 0x2,
	WS_OP_CLOSE = 0x8, WS_OP_PING = 0x9, WS_OP_PONG = 0xA
};

enum ws_ev {
	WS_NEED,	/* the input is used up: read more */
	WS_DATA,	/* data: next bytes of a message; last: its end */
	WS_PING,	/* data: to be sent back as a pong */
	WS_PONG,	/* data: what the ping said */
	WS_CLOSE,	/* code, data: the reason; nothing follows */
	WS_ERROR	/* close with code; why; nothing follows */
};

/*
 * What ws_decode() found. data points into the input, which is unmasked in
 * place, or for control frames into the decoder; it is valid until the next
 * call.
 */
struct ws_event {
	bool		 text;		/* DATA: of a text message */
	bool		 last;		/* DATA: the message is complete */
	uint16_t	 code;		/* CLOSE, ERROR */
	const char	*why;		/* ERROR: static text for logs */
	struct proto_str data;
};

/* Bytes of a peer, which decoding changes. */
struct ws_input {
	char		*p;
	size_t		 len;
};

/* UTF-8 so far: continuation bytes due, and what the next one may be. */
struct ws_utf8 {
	uint8_t		 due, low, high;
};

#define WS_CONTROL_MAX	125		/* payload of a control frame */

/* A connection's decoder. The caller embeds it. */
struct ws_dec {
	uint64_t	 limit;		/* of a message; 0: none */
	uint64_t	 message;	/* announced of this one so far */
	uint64_t	 left;		/* of the frame's payload */
	struct ws_utf8	 utf8;
	uint8_t		 head[14];	/* gathered frame header */
	uint8_t		 have, phase;
	uint8_t		 mask[4];	/* turned to the next payload byte */
	uint8_t		 opcode;
	bool		 fin;
	bool		 open, text;	/* a message has begun; its kind */
	uint8_t		 ncontrol;
	char		 control[WS_CONTROL_MAX];
};

void	ws_init(struct ws_dec *, uint64_t limit);
/* Take bytes from the front of *in, advance it, and report one event. */
enum ws_ev ws_decode(struct ws_dec *, struct ws_input *in, struct ws_event *);

/* Write the header that goes before len payload bytes. Returns its size. */
#define WS_HEAD_MAX	10
size_t	ws_frame(uint8_t out[WS_HEAD_MAX], enum ws_opcode, bool fin,
	    uint64_t len);
/*
 * Write a whole close frame: code (WS_NO_CODE: none) and a reason of UTF-8,
 * cut at a character to what fits. Returns its size.
 */
#define WS_CLOSE_MAX	(2 + WS_CONTROL_MAX)
size_t	ws_close(uint8_t out[WS_CLOSE_MAX], uint16_t code,
	    struct proto_str reason);

/* Whether a peer may send this code in a close frame. */
bool	ws_is_code(uint16_t code);
/* Whether a Sec-WebSocket-Key is 16 bytes in base64. */
bool	ws_is_key(struct proto_str);

/* Start with zeroes. False: not UTF-8. At the end of the text due must be 0. */
bool	ws_utf8(struct ws_utf8 *, const char *, size_t);

#endif

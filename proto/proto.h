/* SPDX-License-Identifier: MIT */
/*
 * The contract of the wire codecs. Bytes in, events out; bytes out for a
 * response. No allocation, no I/O, no clock: the caller owns every buffer, and
 * any split of the input gives the same events. The rules are those of the
 * FastCGI specification 1.0 and of the uwsgi protocol (modifier1 0).
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slice: bytes somebody else owns. Not NUL-terminated. */
struct proto_str {
	const char	*p;
	size_t		 len;
};

enum proto_ev {
	PROTO_NEED,	/* the input is used up: read more */
	PROTO_HOLD,	/* what follows waits for done(): leave it unread */
	PROTO_BEGIN,	/* request id starts; keep says whether to keep conn */
	PROTO_PARAMS,	/* data: next bytes of id's parameter block */
	PROTO_HEAD,	/* id's parameter block is complete */
	PROTO_BODY,	/* data: next bytes of id's body */
	PROTO_END,	/* request id has arrived whole */
	PROTO_ABORT,	/* the peer gave request id up; send END_REQUEST */
	PROTO_REPLY,	/* data: send these bytes as they are (id 0) */
	PROTO_REFUSE,	/* request id is refused: answer status, end_status */
	PROTO_ERROR	/* close the connection; why says what was wrong */
};

/*
 * What decode() found. data points into the input, or for PROTO_REPLY into the
 * decoder, and is valid until the next call.
 */
struct proto_event {
	uint16_t	 id;		/* FastCGI request id; 0 for uwsgi */
	bool		 keep;		/* BEGIN, REFUSE: FCGI_KEEP_CONN */
	uint8_t		 end_status;	/* REFUSE: FCGI_UNKNOWN_ROLE ... */
	uint16_t	 status;	/* REFUSE, ERROR: HTTP, or 0 */
	const char	*why;		/* REFUSE, ERROR: static text for logs */
	struct proto_str data;
};

/* What GET_VALUES is told, and how many ids may be open at once. */
struct proto_limits {
	uint32_t	 max_conns;	/* FCGI_MAX_CONNS */
	uint16_t	 streams;	/* FCGI_MAX_REQS; 1: no multiplexing */
};

/* One open FastCGI request id. An id not in the table is inactive. */
struct fcgi_stream {
	uint16_t	 id;		/* 0: the entry is free */
	uint8_t		 state;		/* enum fcgi_state, in fcgi.c */
};

#define FCGI_REPLY_MAX	128		/* more than a GET_VALUES_RESULT */

/* GET_VALUES, parsed as a stream, and the last answer for id 0. */
struct fcgi_values {
	uint8_t		 phase;
	uint8_t		 more;		/* bytes a length still lacks */
	uint8_t		 asked;		/* a bit for each name we know */
	uint32_t	 nlen, vlen;
	uint32_t	 at;		/* position in name and value */
	char		 name[16];	/* as long as the longest we know */
	uint8_t		 reply[FCGI_REPLY_MAX];
};

struct fcgi_dec {
	uint8_t		 head[8];	/* header or BEGIN body, gathered */
	uint8_t		 have;		/* bytes gathered in head */
	uint8_t		 phase;
	uint8_t		 type;		/* of the current record */
	uint8_t		 padding;	/* bytes to skip behind its content */
	uint16_t	 id;
	uint16_t	 nstreams;
	uint32_t	 left;		/* content bytes still to come */
	struct fcgi_stream one;		/* the table when there is no other */
	struct fcgi_stream *streams;	/* nstreams entries, or NULL */
	struct fcgi_values values;
};

struct uwsgi_dec {
	uint8_t		 head[4];
	uint8_t		 have;
	uint8_t		 phase;
	uint64_t	 left;		/* block or body bytes still to come */
};

struct proto_ops;

/* A connection's decoder. The caller embeds it; nothing in it is allocated. */
struct proto_dec {
	const struct proto_ops	*ops;
	struct proto_limits	 limits;
	union {
		struct fcgi_dec	 fcgi;
		struct uwsgi_dec uwsgi;
	} u;
};

/* Largest frame before a body record, and largest end of a response. */
#define PROTO_FRAME_MAX	8
#define PROTO_END_MAX	32

struct proto_ops {
	const char *name;		/* "fastcgi", "uwsgi" */
	uint8_t	 first_byte;		/* tells the protocols apart */
	bool	 status_line;		/* head starts HTTP/1.1, else Status: */
	bool	 keeps;			/* connections may be kept */
	bool	 ends_body;		/* the wire marks the body's end */
	size_t	 record_max;		/* most body bytes behind one frame */

	/*
	 * Prepare dec, whose ops and limits are set. table holds
	 * limits.streams entries, or is NULL where streams is 1.
	 */
	void	(*init)(struct proto_dec *dec, struct fcgi_stream *table);

	/*
	 * Take bytes from the front of *in, advance it, and report one event.
	 * *in is empty after PROTO_NEED. After PROTO_ERROR dec is dead. Call
	 * until PROTO_NEED or PROTO_HOLD even when *in is empty: the uwsgi
	 * protocol ends a block or a body by its length, not by a byte. Behind
	 * its PROTO_END nothing follows; decode() would discard the bytes.
	 */
	enum proto_ev (*decode)(struct proto_dec *dec, struct proto_str *in,
	    struct proto_event *ev);

	/*
	 * Called once after PROTO_HEAD with the body's length: what
	 * CONTENT_LENGTH said, 0 if it said nothing. FastCGI ignores it.
	 */
	void	(*expect)(struct proto_dec *dec, uint64_t length);

	/*
	 * Body bytes of the current record still to come: they may be read
	 * straight into the body's own memory, and are then reported by
	 * took(). 0 when the next byte is not a body byte, and when several
	 * streams are allowed, where the caller could not tell whose it is.
	 */
	uint64_t (*body_left)(const struct proto_dec *dec);
	void	(*took)(struct proto_dec *dec, uint64_t n);

	/*
	 * Our END_REQUEST for id is out: the id is free, a HOLD is lifted, and
	 * what may still come of its body is skipped without an event.
	 */
	void	(*done)(struct proto_dec *dec, uint16_t id);

	/*
	 * Take one pair from the front of *block. Returns 1 with name and
	 * value pointing into the block, 0 at its end, -1 if it is malformed.
	 */
	int	(*pair)(struct proto_str *block, struct proto_str *name,
		    struct proto_str *value);

	/*
	 * Write the frame that goes before len body bytes (head or body,
	 * 1..record_max) of request id. Returns its size, 0 to
	 * PROTO_FRAME_MAX.
	 */
	size_t	(*frame)(uint8_t out[PROTO_FRAME_MAX], uint16_t id, size_t len);

	/*
	 * The same for text that goes to the proxy's error log, 0 bytes of it
	 * to end that. Returns 0 where the protocol has no place for it.
	 */
	size_t	(*err_frame)(uint8_t out[PROTO_FRAME_MAX], uint16_t id,
		    size_t len);

	/*
	 * Write what ends a response. Returns its size, 0 to PROTO_END_MAX.
	 */
	size_t	(*end)(uint8_t out[PROTO_END_MAX], uint16_t id,
		    uint32_t app_status, uint8_t end_status);
};

/* Every codec, in the order of the `protocol` setting's names. NULL ends. */
extern const struct proto_ops *const protos[];
extern const struct proto_ops fcgi_ops, uwsgi_ops;

/* The codec of this name or first byte, NULL if there is none. */
const struct proto_ops *proto_find(const char *name);
const struct proto_ops *proto_detect(uint8_t first_byte);

/*
 * What these first bytes look like when no codec claims them: "HTTP", "TLS",
 * "uwsgi modifier1 30" ... in text for a log line. n may be 0.
 */
void proto_guess(const uint8_t *first, size_t n, char *out, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A response on its way out, whoever carries it: validation, head, lengths,
 * framing. The rules are PROTOCOLS R1-R17. None of this takes the GIL; what may
 * block says so and is called without it.
 */
#ifndef REQ_RESP_H
#define REQ_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

struct req;

enum io_result {
	IO_DONE,
	IO_AGAIN,		/* streaming classes only: queued, wait */
	IO_GONE			/* the peer has left, or reads too slowly */
};

/*
 * The head, a small body and the end mark are gathered in out, in wire order
 * with room for one frame in front, so that a small response is one piece:
 *
 *	| frame room | head lines ... blank | body ... | end |
 *	0      PROTO_FRAME_MAX          head_end
 *
 * Once the head has left nothing is added: it stays readable for the log.
 */
struct resp {
	struct buf	 out;
	size_t		 head_end;	/* 0 while headers may be added */
	uint16_t	 status;	/* 0: not started */
	struct str	 reason;	/* "200 OK", in the request's arena */
	int64_t		 declared;	/* Content-Length, -1: none */
	uint64_t	 body;		/* body bytes accepted so far */
	uint64_t	 wire;		/* body bytes handed to the kernel */
	bool		 head_out;	/* the head has left, or is leaving */
	bool		 bodyless;	/* HEAD, 204, 304 */
	bool		 sse;		/* text/event-stream, R16 */
	bool		 accel;		/* X-Accel-Buffering set by app */
	bool		 cut;		/* more than declared was offered */
	bool		 ended;		/* finished well */
	bool		 failed;	/* broken after the head, R9 */
	bool		 gone;		/* a write failed */
	bool		 timed_out;	/* over its deadline: broken off, or */
	bool		 taken;		/* answered in the thread's place */
	bool		 shed;		/* it had waited too long before */
	struct buf	 err;		/* text for the proxy's log, R17 */
	bool		 err_sent;	/* some of it has left */
};

/* Ready for another response; the memory is kept. The first one: zeroes. */
void	resp_reset(struct resp *);
void	resp_fini(struct resp *);

/*
 * Start a head: status is "NNN reason". -1 with static text in *why when it is
 * not valid (R14); nothing has changed then. Any head begun before and not yet
 * sent is dropped, with the body bytes buffered behind it.
 */
int	resp_start(struct req *, struct str status, const char **why) MUSTCHECK;
/* Start the head of a 101 to a WebSocket, where there is a status line. */
int	resp_start_upgrade(struct req *, const char **why) MUSTCHECK;
/*
 * Add a header. 0; 1 if it belongs to the hop and was dropped (R13); -1 with
 * *why when it is not valid. Content-Length with a 204 is dropped in silence.
 */
int	resp_header(struct req *, struct str name, struct str value,
	    const char **why) MUSTCHECK;
/*
 * The body's whole length is known: add Content-Length unless it is there, or
 * would be invented (204, 304, and 0 for HEAD). -1: no memory.
 */
int	resp_length(struct req *, uint64_t) MUSTCHECK;

/*
 * Take body bytes. resp_buffer only copies: -1 if they do not fit or the head
 * has left. resp_write sends what is buffered and these, and returns once the
 * kernel has them all (blocking classes). Bytes past the declared length are
 * dropped, logged and set cut; an empty chunk does nothing.
 */
int	resp_buffer(struct req *, const void *, size_t) MUSTCHECK;
enum io_result resp_write(struct req *, const void *, size_t) MUSTCHECK;
/* Send the head, and what is buffered, without waiting for more. */
enum io_result resp_flush(struct req *) MUSTCHECK;
/*
 * The last bytes: resp_write and resp_end in one write of all. A large body
 * that is known whole leaves by this one call.
 */
enum io_result resp_last(struct req *, const void *, size_t);
/*
 * Text for the proxy's error log, where proxy_stderr is set: it leaves with the
 * next write behind the head. What is too much is dropped.
 */
void	resp_stderr(struct req *, const void *, size_t);
/* From a regular file, by sendfile where it can; *off advances. */
enum io_result resp_sendfile(struct req *, int fd, int64_t *off, uint64_t n)
	    MUSTCHECK;
/*
 * End the response: what is left and the end mark leave in one write. A body
 * shorter than declared is logged and becomes resp_abort. Does nothing where
 * the response has ended or failed before. A caller that has buffered all may
 * leave this to the worker.
 */
enum io_result resp_end(struct req *);
/* Fail after the head (R9), or answer 500 where none has left. */
void	resp_abort(struct req *);
/*
 * The server's own answer: head, short text, end (R2). Only while no head is
 * out; ignored after.
 */
void	resp_error(struct req *, int status, int end_status);

const char *resp_reason(int status);

#endif

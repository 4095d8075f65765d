/* SPDX-License-Identifier: MIT */
/*
 * A connection: descriptor, codec and the request that comes over it. The only
 * place that drives the request codecs. Descriptors are non-blocking; waiting
 * is the caller's business: after conn_new it calls conn_feed, and again
 * whenever the connection is ready, and does what the answer says. One thread
 * at a time may be here, but between CONN_RUN and conn_finish a connection is
 * left alone, and its request and the io of that belong to whoever runs it.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "os/listener.h"
#include "proto/proto.h"
#include "req/req.h"
#include "worker/conns.h"

#define CONN_SPOOL	65536	/* input kept while a response is written */

enum conn_state {
	CONN_NEW,		/* no byte of a request, or less than it takes
				   to know one */
	CONN_HEAD,		/* parameters are arriving */
	CONN_BODY,		/* the body is arriving */
	CONN_WHOLE,		/* a whole request is ready, or runs */
	CONN_IDLE,		/* kept, between requests */
	CONN_DRAIN		/* answered; what still comes is read */
};

/* Where connections come from. */
struct conn_from {
	const struct listener	*listener;
	char			 name[128];	/* its address */
};

struct conn {
	int			 fd;
	enum conn_state		 state;
	bool			 polled;	/* the caller's: polled, */
	bool			 polled_out;	/* for writing */
	bool			 last;		/* close after this request */
	bool			 queued, fresh;	/* in a queue; state is new */
	bool			 shut;		/* we said that no more comes */
	bool			 eof;		/* the peer did */
	bool			 trusted;	/* X-Forwarded-Proto */
	enum conn_queue		 queue;
	const struct conn_from	*from;
	struct conns		*conns;
	struct proto_dec	 dec;		/* ops NULL before a byte */
	struct buf		 in;		/* read, and not yet decoded */
	struct buf		 out;		/* own answers, not yet sent */
	struct req		*req;		/* from the pool, or NULL */
	void			*owner;		/* the caller's */
	int64_t			 deadline_ms;	/* in its queue */
	int64_t			 drain_until_ms; /* 0: nothing is drained */
	uint64_t		 drained;
	TAILQ_ENTRY(conn)	 entry;
};

void	conn_from_init(struct conn_from *, const struct listener *);
/*
 * Take a non-blocking descriptor; sa is the peer's address, NULL for UNIX.
 * NULL if there is no memory: the descriptor is closed then.
 */
struct conn *conn_new(struct conns *, int fd, const struct conn_from *,
	    const struct sockaddr *sa) MUSTCHECK;
/* Close; it leaves its queue, and poll sets by being closed. fd becomes -1. */
void	conn_end(struct conn *);
/* Give back, closed first unless it is. */
void	conn_free(struct conn *);

/* Read and decode what is there. After CONN_RUN: not before conn_finish. */
enum conn_want conn_feed(struct conn *) MUSTCHECK;
/* The response is complete or has failed. */
enum conn_want conn_finish(struct conn *) MUSTCHECK;
/* The deadline has passed. */
enum conn_want conn_expire(struct conn *) MUSTCHECK;

/* Our own answers stand in the way of reading: poll for writing. */
static inline bool
conn_poll_out(const struct conn *c)
{
	return buf_len(&c->out) > 0;
}

/* Nothing of a request has come. */
bool	conn_is_silent(const struct conn *);
/* The other end, for log lines. Returns out. */
const char *conn_peer(const struct conn *, char *out, size_t size);

/*
 * Of conn_io.c. Read what the peer sends while a request runs: bytes of the
 * next one are kept. -1: it is lost. c->eof: no more comes.
 */
int	conn_spool(struct conn *);
/* Drop n bytes from the front of a vector; send one. */
void	conn_advance(struct iovec **, int *n, size_t done);
ssize_t	conn_send(int fd, struct iovec *, int n);

/* How a request reaches its connection. */
extern const struct req_io conn_io_blocking;	/* while it runs */
extern const struct req_io conn_io_queued;	/* before: appends to c->out */
/* Make a response that has begun look broken to the peer (R9), then close. */
void	conn_break(struct conn *);

/*
 * The watchdog's, while it has taken or cut the response of c->req. conn_answer
 * sends what conn_io_queued has gathered, as far as the peer takes it at once,
 * and says that no more comes; conn_cut breaks off what has begun, mid: within
 * a record, so that nothing may be put behind it; a thread that waits to write
 * wakes.
 */
void	conn_answer(struct conn *);
void	conn_cut(struct conn *, bool mid);

#endif

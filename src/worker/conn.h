/* SPDX-License-Identifier: MIT */
/*
 * A connection: descriptor, codec and the request that comes over it. The only
 * place that drives the request codecs. Descriptors are non-blocking; waiting
 * is the caller's business:
 *
 *	conn_new ──▶ conn_feed ──▶ CONN_RUN: run c->req ──▶ conn_finish ─┐
 *	     ▲           │ ▲                                    │        │
 *	     │           │ └── CONN_WAIT: poll, then feed ◀─────┤◀───────┘
 *	     └─ conn_free ◀──── CONN_OVER ◀─────────────────────┘
 *
 * All connections of a thread share one buffer that is read into: a request
 * that is small costs one system call, and one that waits keeps only what is
 * not decoded.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "os/listener.h"
#include "proto/proto.h"
#include "req/req.h"

#define CONN_SCRATCH	65536	/* shared buffer of a thread */
#define CONN_SPOOL	65536	/* input kept while a response is written */
#define CONN_POOL	32	/* requests and connections kept for reuse */

enum conn_state {
	CONN_NEW,		/* no byte of a request, or less than it takes
				   to know one */
	CONN_HEAD,		/* parameters are arriving */
	CONN_BODY,		/* the body is arriving */
	CONN_WHOLE,		/* a whole request is ready, or runs */
	CONN_IDLE,		/* kept, between requests */
	CONN_DRAIN		/* answered; what the peer still sends is read */
};

enum conn_want {
	CONN_WAIT,		/* poll it, for conn_poll_out or for reading */
	CONN_RUN,		/* c->req is whole: serve it */
	CONN_OVER		/* finished with: conn_free it */
};

/* Waiting connections, by what they wait for; each list by deadline. */
enum conn_queue {
	QUEUE_CLIENT,		/* the rest of a request: client_timeout */
	QUEUE_IDLE,		/* the next request: keep_alive */
	QUEUE_DRAIN,		/* the end of what a peer sends */
	QUEUES
};

/* Where connections come from, and what follows for their requests. */
struct conn_from {
	const struct listener	*listener;
	char			 name[128];	/* its address */
};

struct conn {
	int			 fd;
	enum conn_state		 state;
	bool			 polled;	/* the caller's: in a poll set, */
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
TAILQ_HEAD(conn_list, conn);

/* What the settings say. Times in ms, 0: no limit; but keep_ms 0: not kept. */
struct conn_conf {
	const struct proto_ops	*proto;		/* NULL: by the first byte */
	struct proto_limits	 limits;
	int64_t			 client_ms, keep_ms, drain_ms;
	uint64_t		 drain_limit;
	const struct addr_net	*trusted;	/* trusted_proxies */
	size_t			 ntrusted;
	struct req_conf		 req;
};

/* All connections of a thread. */
struct conns {
	const struct conn_conf	*conf;
	const _Atomic int	*stop;		/* worker.stop, or NULL */
	int64_t			 now_ns;	/* the caller's: of this turn */
	bool			 last;		/* draining: no next request */
	struct conn_list	 queues[QUEUES];
	struct conn_list	 pool;
	struct req		*reqs[CONN_POOL];
	unsigned		 npool, nreqs;
	char			 scratch[CONN_SCRATCH];
};

void	conns_init(struct conns *, const struct conn_conf *);
/* All connections must have been freed. */
void	conns_fini(struct conns *);

/*
 * From now on every request is its connection's last; a silent one is
 * closed after a second without a byte (a shorter time loses requests that are
 * on their way).
 */
void	conns_drain(struct conns *);
/* Milliseconds from now_ns until the next deadline; -1: there is none. */
int	conns_timeout(const struct conns *);
/* A connection whose deadline has passed, for conn_expire; NULL: none. */
struct conn *conns_expired(struct conns *);
/* Any waiting connection, for conn_free before leaving; NULL: none. */
struct conn *conns_any(const struct conns *);

void	conn_from_init(struct conn_from *, const struct listener *);
/*
 * Take a non-blocking descriptor; sa is the peer's address, NULL for UNIX.
 * NULL if there is no memory: the descriptor is closed then.
 */
struct conn *conn_new(struct conns *, int fd, const struct conn_from *,
	    const struct sockaddr *sa) MUSTCHECK;
/* Close and give back; it leaves its queue, and poll sets by being closed. */
void	conn_free(struct conn *);

/* Out of its queue, while its request runs beside others. */
void	conn_unqueue(struct conn *);

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

#endif

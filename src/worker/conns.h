/* SPDX-License-Identifier: MIT */
/*
 * All connections of a worker. They share one buffer that is read into, so that
 * a small request costs one system call and one that waits keeps only what is
 * not decoded; and a pool, so that a usual request allocates nothing. Those who
 * wait stand in queues by what they wait for, the first deadline in front.
 */
#ifndef WORKER_CONNS_H
#define WORKER_CONNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/queue.h"
#include "os/addr.h"
#include "proto/proto.h"
#include "req/req.h"

#define CONN_SCRATCH	65536	/* the shared buffer */
#define CONN_POOL	32	/* requests and connections kept for reuse */

struct conn;
TAILQ_HEAD(conn_list, conn);

enum conn_want {
	CONN_WAIT,		/* poll it, for conn_poll_out or for reading */
	CONN_RUN,		/* c->req is whole: serve it */
	CONN_OVER		/* finished with: conn_free it */
};

enum conn_queue {
	QUEUE_CLIENT,		/* the rest of a request: client_timeout */
	QUEUE_IDLE,		/* the next request: keep_alive */
	QUEUE_DRAIN,		/* the end of what a peer sends */
	QUEUES
};

/* What the settings say; times in ms. */
struct conn_conf {
	const struct proto_ops	*proto;		/* NULL: by the first byte */
	struct proto_limits	 limits;
	int64_t			 client_ms;	/* 0: no limit */
	int64_t			 keep_ms;	/* 0: no connection is kept */
	int64_t			 drain_ms;
	uint64_t		 drain_limit;
	const struct addr_net	*trusted;	/* trusted_proxies */
	size_t			 ntrusted;
	struct req_conf		 req;
};

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
 * Every request that arrives from now on is its connection's last; a silent
 * one is closed after a second without a byte (a shorter time loses requests
 * that are on their way).
 */
void	conns_drain(struct conns *);
/* Milliseconds from now_ns until the next deadline; -1: there is none. */
int	conns_timeout(const struct conns *);
/* No connection that waits from now on has its deadline within so many ms. */
int64_t	conns_shortest(const struct conns *);
/* A connection whose deadline has passed, for conn_expire; NULL: none. */
struct conn *conns_expired(struct conns *);
/* Any waiting connection, for conn_free before leaving; NULL: none. */
struct conn *conns_any(const struct conns *);

static inline int64_t
conns_now_ms(const struct conns *cs)
{
	return cs->now_ns / 1000000;
}

/* For conn.c. Memory of a connection or a request; NULL: there is none. */
struct conn *conns_get(struct conns *) MUSTCHECK;
void	conns_put(struct conns *, struct conn *);
struct req *conns_get_req(struct conns *) MUSTCHECK;
void	conns_put_req(struct conns *, struct req *);
/*
 * Wait in the queue of its state. A queue has one timeout, so that whoever
 * comes last has the latest deadline. Returns CONN_WAIT.
 */
enum conn_want conns_wait(struct conn *);
/* Wait in no queue. */
void	conns_leave(struct conn *);

#endif

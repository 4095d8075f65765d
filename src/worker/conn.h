/* SPDX-License-Identifier: MIT */
/*
 * A connection: descriptor, codec and the requests that came over it. The only
 * place that drives the request codecs. Descriptors are non-blocking; waiting
 * is the caller's business.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "os/listener.h"
#include "proto/proto.h"
#include "req/req.h"

enum conn_state {
	CONN_NEW,		/* accepted, no byte yet */
	CONN_HEAD,		/* parameters are arriving */
	CONN_BODY,		/* the body is arriving */
	CONN_WHOLE,		/* a whole request is ready, or runs */
	CONN_IDLE,		/* kept, between requests */
	CONN_DRAIN,		/* answered; what the peer still sends is read */
	CONN_DEAD		/* to be freed */
};

enum conn_want {
	CONN_WAIT,		/* needs more input: poll for reading */
	CONN_RUN,		/* conn->req is whole: serve it */
	CONN_OVER		/* finished with: conn_free it */
};

struct conn {
	int			 fd;
	enum conn_state		 state;
	bool			 polled;	/* is in the poll set */
	bool			 last;		/* close after this request */
	const struct listener	*listener;
	struct proto_dec	 dec;
	struct buf		 in;		/* bytes not yet decoded */
	struct req		*req;		/* from the pool, or NULL */
	int64_t			 deadline_ms;	/* of the present state; 0 none */
	uint64_t		 drained;
	TAILQ_ENTRY(conn)	 entry;		/* by deadline, one list a state */
};

struct conn_conf;	/* settings and pools of this worker, in conn.c */

#endif

/* SPDX-License-Identifier: MIT */
/* A request and its response, whoever carries it. */
#ifndef REQ_REQ_H
#define REQ_REQ_H

#include <sys/uio.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "proto/proto.h"
#include "req/body.h"
#include "req/params.h"
#include "req/resp.h"

/*
 * How a request reaches its connection. Blocking classes never say IO_AGAIN.
 * A call consumes the vector: on IO_DONE everything is with the kernel.
 */
struct req_io {
	enum io_result (*writev)(struct req *, struct iovec *, int n);
	/* n bytes from *off, which advances; less: the file has ended. */
	enum io_result (*sendfile)(struct req *, int fd, int64_t *off,
			    uint64_t n);
	/* Whether the peer is known to have left. Does not block. */
	bool	(*gone)(struct req *);

	/*
	 * Of streaming classes only, NULL elsewhere. There writev takes all
	 * (IO_DONE) and keeps what the kernel does not: that many bytes.
	 */
	size_t	(*queued)(const struct req *);
	/* Body bytes, or those of input, were read: there is room for more. */
	void	(*more)(struct req *);
	/*
	 * What a WebSocket's peer has sent behind its request: the reader
	 * drains it. NULL: the protocol has no tunnel.
	 */
	struct buf *(*input)(struct req *);
	/* The response is over, well or not: the request is the carrier's. */
	void	(*finish)(struct req *);
};

struct access_log;
struct req_conf;
struct run;

struct req {
	const struct proto_ops	*proto;
	const struct req_io	*io;
	void			*carrier;	/* struct conn */
	const struct req_conf	*conf;
	struct run		*run;		/* that runs it now, or NULL */
	uint16_t		 id;		/* FastCGI request id */
	bool			 keep;		/* FCGI_KEEP_CONN */
	bool			 whole;		/* arrived to its end */
	bool			 refused;	/* answered before the app */
	uint8_t			 end_status;	/* FCGI_REQUEST_COMPLETE ... */
	uint32_t		 app_status;

	struct arena		 arena;
	char			*block;		/* parameter block, in arena */
	size_t			 block_len;
	struct params		 params;
	struct body		 body;
	struct resp		 resp;

	void			*app;		/* streaming: the gateway's */
	int64_t			 accepted_ns;	/* first byte seen */
	int64_t			 start_ns;	/* picked up by the worker */
	int64_t			 entered_ns;	/* Python's turn began */
};

/* Per worker, const: what the settings say about every request. */
struct req_conf {
	struct params_conf	 params;
	struct body_conf	 body;
	size_t			 params_size;
	bool			 sendfile;
	bool			 proxy_stderr;
	const char		*app_name;
	int			 worker_id;
	struct access_log	*access;	/* NULL: no access log */
};

/*
 * init: a new one, whose memory comes with its first use. reset: ready for
 * another request, what one usually needs is kept. fini frees all.
 */
void	req_init(struct req *, const struct req_conf *);
void	req_reset(struct req *);
void	req_fini(struct req *);

/* "GET /uri" for log lines, escaped and cut to size. Returns out. */
const char *req_line(const struct req *, char *out, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A request's parameters: from the raw block to what an environ or a scope is
 * made of. Pure: bytes in, slices out, no Python. Everything points into the
 * block or the arena and lives as long as the request.
 */
#ifndef REQ_PARAMS_H
#define REQ_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "proto/proto.h"

/* Names the server itself looks at; each has a place in params.known. */
enum param_id {
	PARAM_OTHER,
	PARAM_REQUEST_METHOD, PARAM_REQUEST_URI, PARAM_SCRIPT_NAME,
	PARAM_PATH_INFO, PARAM_QUERY_STRING, PARAM_CONTENT_LENGTH,
	PARAM_CONTENT_TYPE, PARAM_SERVER_NAME, PARAM_SERVER_PORT,
	PARAM_SERVER_PROTOCOL, PARAM_SERVER_SOFTWARE, PARAM_REMOTE_ADDR,
	PARAM_REMOTE_PORT, PARAM_REMOTE_USER, PARAM_AUTH_TYPE, PARAM_HTTPS,
	PARAM_REQUEST_SCHEME, PARAM_UWSGI_SCHEME, PARAM_HTTP_HOST,
	PARAM_HTTP_COOKIE, PARAM_HTTP_X_FORWARDED_PROTO, PARAM_HTTP_UPGRADE,
	PARAM_HTTP_CONNECTION, PARAM_HTTP_X_REQUEST_START, PARAM_REQUEST_START,
	PARAM_IDS
};

/* What a name makes of its pair. */
struct param_class {
	uint8_t		 id;		/* enum param_id */
	bool		 keep : 1;	/* into the environ under its name */
	bool		 http : 1;	/* HTTP_*: the client's */
	uint16_t	 more;		/* next of a repeated header, 0 none */
};

struct param {
	struct str	 name, value;
	struct param_class is;
};

/*
 * What all requests with the same sequence of names share. Found by comparing
 * names, so that a name is classified once and not per request; the Python
 * side hangs its ready-made dict on it. One thread of a process has them.
 */
struct param_shape;

struct params {
	struct param	*v;		/* wire order; v[0] is unused */
	uint16_t	 n;		/* entries, v[0] counted */
	struct param_shape *shape;	/* held; NULL: not one of the cache's */
	struct str	 known[PARAM_IDS]; /* p NULL: absent */

	int64_t		 content_length; /* -1: unknown */
	struct str	 script_name, path_info, query_string;	/* §5.3, §5.2 */
	struct str	 scheme;	/* "http" or "https" */
	struct str	 server_name, server_port, server_protocol;
	const char	*mount;		/* the mount that matched, NULL: none */
	bool		 websocket;	/* asks for an upgrade to it */
};

/* The settings that bear on it, worked out once per worker. */
struct params_conf {
	uint16_t	 count_max;
	size_t		 line_max, fields_max, field_size_max;	/* 0: none */
	bool		 from_uri;	/* path_source = request-uri */
	bool		 remote_user;
	struct str	 root_path;	/* no trailing slash, may be empty */
	struct str	 scheme;	/* forced; empty: §5.4 */
	const char	*const *mounts;	/* NULL-terminated, or NULL */
};

/* What the connection adds. */
struct params_peer {
	bool		 trusted;	/* X-Forwarded-Proto is believed */
	const char	*listener;	/* address as text, for SERVER_NAME */
};

/*
 * Parse and normalise a block. Returns 0, or the HTTP status to answer with
 * *why set to static text for the log (the limit's name where one was met).
 */
int	params_parse(struct params *, const struct params_conf *,
	    const struct params_peer *, const struct proto_ops *,
	    struct proto_str block, struct arena *, const char **why) MUSTCHECK;

/*
 * The request is over, whatever params_parse said: its shape may make room
 * for another.
 */
void	params_fini(struct params *);

/* The value of a parameter by name, p NULL if absent. Linear. */
struct str params_get(const struct params *, struct str name);

/*
 * Opaque memory that goes with a shape: the Python side's. Starts NULL. A
 * shape that makes room leaves its slot to the next one, which has another
 * serial: what the slot holds may then be reused, but describes other names.
 */
void	**params_shape_slot(struct param_shape *);
unsigned params_shape_serial(const struct param_shape *);

#endif

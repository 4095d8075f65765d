/* SPDX-License-Identifier: MIT */
/*
 * ASGI, inside: a request as its application sees it, and what the files of
 * this gateway may ask of each other. All of it runs with the GIL, in the
 * thread of the loop.
 *
 *	asgi_begin ─▶ asgi_host_run: app(scope, receive, send), driven at once
 *	                 │ suspends               │ returns, raises
 *	                 ▼                        ▼
 *	              its host's task goes on ─▶ asgi_http_over
 */
#ifndef PYTHON_ASGI_H
#define PYTHON_ASGI_H

#include <stdbool.h>
#include <stdint.h>

#include "python/asgi_await.h"

struct req;
struct asgi;
struct asgi_host;
struct asgi_ws;

#define ASGI_CHUNK	65536	/* most of a body in one event, or one write */
#define ASGI_HIGH	65536	/* queued bytes: send() waits */
#define ASGI_LOW	16384	/* and goes on */

/* What is different between HTTP and WebSocket. */
struct asgi_kind {
	asgi_step_fn	*receive, *send;
	/* The application has returned, or raised what is set (cleared). */
	void		(*over)(struct asgi *, bool raised);
	void		(*news)(struct asgi *, unsigned news);
};

/*
 * A request. It lives as long as the application holds receive or send; req
 * goes away earlier, when the response is over or the peer lost.
 */
struct asgi {
	PyObject_HEAD
	const struct asgi_kind	*kind;
	struct req		*req;		/* req->app is this one, held */
	struct asgi_host	*host;		/* runs it; NULL: has returned */
	struct asgi_queue	 receivers, senders;
	bool			 started;	/* http.response.start came */
	bool			 ended;		/* the last body event came */
	bool			 asked;		/* receive() gave http.request */
	bool			 body_over;	/* and the last one of it */
	bool			 left;		/* the peer has, or may have */
	bool			 held;		/* its head waits for a body */
	uint64_t		 burst;		/* bytes sent since a yield */
	PyObject		*timer;		/* of the grace period, or NULL */
	struct asgi_ws		*ws;		/* of a WebSocket */
	TAILQ_ENTRY(asgi)	 entry;		/* held heads */
};
TAILQ_HEAD(asgi_list, asgi);

/* asyncio, and what there is of it for one loop. */
struct asgi_loop {
	PyObject	*loop;
	PyObject	*ready, *timers; /* of the loop's, to see if it has any */
	Py_ssize_t	 ntimers;	/* before this batch */
	PyObject	*task_type;
	PyObject	*enter, *leave;		/* asyncio.tasks._enter_task ... */
	PyObject	*list, *unlist;		/* ... _register_task ... */
	PyObject	*cancelled;		/* asyncio.CancelledError */
	struct pollcore	*core;
	uint64_t	 ws_limit;		/* of a message */
	PyObject	*context;		/* what requests start from */
	PyObject	*state;			/* lifespan's, or NULL */
	PyObject	*application;
	bool		 stopping;
};
extern struct asgi_loop asgi;

/* asgi_scope.c: the scope of a request. New reference or NULL. */
int	asgi_scope_init(void) MUSTCHECK;
PyObject *asgi_scope_new(const struct req *);

/* asgi_req.c: what both kinds share. New references; NULL: exception set. */
int	asgi_req_init(void) MUSTCHECK;
struct asgi *asgi_req_new(struct req *, const struct asgi_kind *);
PyObject *asgi_req_receive(struct asgi *);	/* the callables */
PyObject *asgi_req_send(struct asgi *);
void	asgi_req_news(struct req *, unsigned news);
/* The application is done: what it raised goes to the log. */
void	asgi_req_over(struct asgi *, bool raised);
/* The response is over for us; release: it is the carrier's already. */
void	asgi_req_finish(struct asgi *);
void	asgi_req_release(struct asgi *);
/* Output waits that a slow reader has to take first. */
bool	asgi_req_is_full(const struct asgi *);
/* Cancel the task after a grace period. */
void	asgi_req_start_grace(struct asgi *);
/* An event's field; borrowed, NULL without an exception where it is missing. */
PyObject *asgi_field(PyObject *message, PyObject *name);
bool	asgi_is_type(PyObject *type, PyObject *name);
enum asgi_step asgi_misuse(const char *text);
enum asgi_step asgi_unknown(PyObject *type);
enum asgi_step asgi_done(PyObject **result);

/* asgi_http.c */
extern const struct asgi_kind asgi_http;
int	asgi_http_init(void) MUSTCHECK;
/* The steps of http.response.start and .body, for a WebSocket's refusal. */
enum asgi_step asgi_http_start(struct asgi *, PyObject *message);
enum asgi_step asgi_http_body(struct asgi_await *, PyObject **result);
/* headers of an event, into the response's head. */
enum asgi_step asgi_http_headers(struct asgi *, PyObject *headers);
/* Heads that no body has followed in this turn leave alone. */
void	asgi_http_flush_held(void);
void	asgi_http_unhold(struct asgi *);

/* asgi_ws.c */
extern const struct asgi_kind asgi_websocket;
int	asgi_ws_init(void) MUSTCHECK;
/* Check the handshake: false if the request is answered, and finished. */
bool	asgi_ws_open(struct req *);
int	asgi_ws_start(struct asgi *) MUSTCHECK;
void	asgi_ws_free(struct asgi_ws *);

/* asgi_host.c: tasks that are ready before there is a request. */
int	asgi_host_init(void) MUSTCHECK;
void	asgi_host_run(struct asgi *);
void	asgi_host_cancel(struct asgi_host *);
/* Requests whose application still runs. */
size_t	asgi_host_running(void);
/* Cancel them all; a new set of their tasks, NULL with an exception set. */
PyObject *asgi_host_cancel_all(void);
/* Let idle tasks end. */
void	asgi_host_retire(void);

/* asgi.c: run the loop until these tasks are done, or for so long. */
void	asgi_wait_tasks(PyObject *task_or_set, double seconds);
/* The callable that requests go to; a reference is taken. */
void	asgi_serve(PyObject *application);
bool	asgi_is_application(PyObject *);

#endif

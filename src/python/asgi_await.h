/* SPDX-License-Identifier: MIT */
/*
 * What receive() and send() return: an awaitable that counts as a coroutine,
 * so that create_task(receive()) works, and that is done without a turn of the
 * loop where nothing has to be waited for.
 */
#ifndef PYTHON_ASGI_AWAIT_H
#define PYTHON_ASGI_AWAIT_H

#include <stdbool.h>

#include "base/queue.h"
#include "python/py.h"

enum asgi_step {
	STEP_FAILED = -1,	/* an exception is set */
	STEP_DONE,
	STEP_WAIT,		/* until its queue is woken */
	STEP_YIELD		/* let the loop turn, then go on */
};

struct asgi_await;
TAILQ_HEAD(asgi_queue, asgi_await);

/*
 * One step: DONE with a new reference in *result, or what to wait for. Called
 * again after WAIT and YIELD.
 */
typedef enum asgi_step asgi_step_fn(struct asgi_await *, PyObject **result);

struct asgi_await {
	PyObject_HEAD
	asgi_step_fn		*step;
	struct asgi_queue	*queue;		/* of owner; where it waits */
	PyObject		*owner;
	PyObject		*message;	/* send()'s, or NULL */
	PyObject		*future;	/* while it waits */
	size_t			 at;		/* the step's: how far it is */
	bool			 begun, more;	/* the step's */
	bool			 queued, over;
	TAILQ_ENTRY(asgi_await)	 entry;
};

/* Once, and once there is a loop. -1 with an exception set. */
int	asgi_await_init(void) MUSTCHECK;
void	asgi_await_serve(PyObject *future_type, PyObject *loop);

/* References are taken to owner and message. New reference or NULL. */
PyObject *asgi_await_new(asgi_step_fn *, struct asgi_queue *, PyObject *owner,
	    PyObject *message);
/* Whether one has to wait behind others of its queue. */
bool	asgi_await_is_behind(const struct asgi_await *);
/* Let the first that waits go on; it wakes the next when it is done. */
void	asgi_wake(struct asgi_queue *);

/* A future of the loop that serves; new reference or NULL. */
PyObject *asgi_future_new(void);
/* Set its result to None, unless it is done. An exception is logged. */
void	asgi_future_set(PyObject *future);
/* Make it what a coroutine yields to its task. -1 with an exception set. */
int	asgi_future_yield(PyObject *future) MUSTCHECK;

#endif

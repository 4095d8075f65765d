/* SPDX-License-Identifier: MIT */
/*
 * The seam to Python. Templates and workers call these; PyObject and the GIL
 * stay behind them. Between calls the calling thread does not hold the GIL:
 * every function takes it on its first line and drops it on its last.
 */
#ifndef PYTHON_GATEWAY_H
#define PYTHON_GATEWAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct conf_app;
struct pollcore;
struct req;
struct run;

/* What the interpreter is told once. */
struct py_setup {
	const struct conf_app *app;
	int	 argc;			/* sys.argv of the application */
	char	**argv;
};

/* Of this worker, for the module saola and for environ. */
struct py_worker {
	int	 id;			/* 0..N-1, reused */
	unsigned generation;
	bool	 multiprocess;		/* more than one worker possible */
	bool	 multithread;		/* several requests at once */
};

/*
 * Start the interpreter: Debian's, or the venv's, which is checked against it.
 * Once, after privileges were dropped: in the template with preload, else in
 * each worker.
 */
int	py_boot(const struct py_setup *, struct err *) MUSTCHECK;

/*
 * Import the application and find its callable. err.code is 3 for an import
 * that fails (the traceback is in the log already), 4 for an attribute that is
 * missing or not callable.
 */
int	py_load(const struct conf_app *, struct err *) MUSTCHECK;

/* gc.collect and gc.freeze: called before workers are forked. */
void	py_freeze(void);

/*
 * Around fork, in this order; the GIL is held from prepare to parent/child.
 * They and py_shutdown do nothing where Python has not started.
 */
void	py_fork_prepare(void);
void	py_fork_parent(void);
void	py_fork_child(void);

/* In the worker, after the fork and the load: fill module saola, warm up. */
int	py_worker_init(const struct py_worker *, struct err *) MUSTCHECK;

/*
 * Once in every other thread that shall run requests: its own thread state.
 * The name is also what Python's threading calls it.
 */
int	py_thread_start(const char *name, struct err *) MUSTCHECK;
/* In the thread that booted: run Python's signal handlers that are due. */
void	py_run_signals(void);

/* Run atexit handlers and flush stdio. The process then leaves by _exit. */
void	py_shutdown(void);

/*
 * For the watchdog, which never takes the GIL and waits for nobody longer than
 * a fifth of a second. The Python stack of a thread, as text, written in that
 * thread by a signal, so that it is had whoever holds the GIL; then those of
 * all others that run Python, through the thread named. Return its length, cut
 * to the size; 0: none could be had.
 */
size_t	py_dump_thread(pthread_t, char *out, size_t size);
size_t	py_dump_others(pthread_t, char *out, size_t size);
/*
 * Raise saola.RequestTimeout in the request of this number, as soon as that can
 * be done and only while it is in Python. Returns at once; true: it may have
 * gone unnoticed between two system calls, so call it again in a while.
 */
bool	py_abort(struct run *, uint64_t number);

/*
 * An async worker's poll core, and what it does beside Python's callbacks:
 * turn is called before every wait, batch behind every one that was roused,
 * both with the GIL, in the thread that runs the gateway.
 */
struct gateway_loop {
	struct pollcore	*core;
	void	(*turn)(void *arg);
	void	(*batch)(void *arg);
	void	*arg;
};

/* What a request that runs is told. */
#define NEWS_BODY	1	/* more of its body has arrived, or the end */
#define NEWS_ROOM	2	/* few of the bytes it sent are still queued */
#define NEWS_EOF	4	/* the peer's half is closed: it may have left */
#define NEWS_GONE	8	/* it has left: req is not touched behind this */
#define NEWS_LEAVE	16	/* the worker is about to leave */
#define NEWS_CANCEL	32	/* its time is over */

/* How an application is called. One per interface; gateways[] lists them. */
struct gateway {
	const char *name;		/* "wsgi" */
	/*
	 * Run the application for one whole request, from environ to the end
	 * of the response or its failure. Small last bytes may be left in
	 * req->resp.out for the caller to flush without the GIL. NULL: only
	 * in an async worker.
	 */
	void	(*call)(struct req *);

	/*
	 * For an async worker; NULL where there is none of it. open makes the
	 * loop and starts the application (ASGI's lifespan); err.code is 3 if
	 * that fails. run lends the thread to the loop until stop was called.
	 * close ends the application and the loop.
	 */
	int	(*open)(const struct gateway_loop *, const struct conf_app *,
		    struct err *);
	void	(*run)(void);
	void	(*close)(void);
	/*
	 * From batch or turn. begin: a request, whose parameters have arrived
	 * and whose io is a streaming one; it is the gateway's until it calls
	 * io->finish, perhaps at once, or is told NEWS_GONE.
	 */
	void	(*begin)(struct req *);
	void	(*news)(struct req *, unsigned news);
	void	(*stop)(void);
	/* Requests whose application runs; their response may be over. */
	size_t	(*running)(void);
};
extern const struct gateway *const gateways[];
extern const struct gateway wsgi_gateway, asgi_gateway;

/* The gateway that suits the loaded application, by the interface setting. */
const struct gateway *py_gateway(const struct conf_app *);

#endif

/* SPDX-License-Identifier: MIT */
/* A worker process: what every class shares. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "os/listener.h"
#include "python/gateway.h"
#include "req/run.h"
#include "state/scoreboard.h"

/* How a worker was asked to leave; only grows. */
enum worker_stop {
	STOP_NO,
	STOP_DRAIN,		/* finish, with what kept connections bring */
	STOP_FAST		/* now */
};

/* Who is told to leave while it boots ends at once; one of the two wins. */
enum worker_boot {
	BOOT_RUNS,
	BOOT_DONE,		/* it serves */
	BOOT_OVER		/* it never will */
};

/*
 * Interrupts a blocking system call of the main thread, and does nothing. Not
 * SIGRTMAX: valgrind keeps that for itself, and a worker would never leave.
 */
#define WORKER_POKE	(SIGRTMAX - 1)

struct worker_class;

/* What the settings say about requests and about growing old; 0: no limit. */
struct worker_limits {
	int64_t	 timeout_ns, grace_ns, slow_ns, queue_ns;
	int64_t	 long_ns;			/* the least that is noted */
	int64_t	 requests;			/* jitter drawn */
	int64_t	 memory_soft, memory_hard;	/* bytes */
};

struct worker {
	const struct conf_app	*app;
	struct listener		*const *listeners;
	size_t			 nlisteners;
	struct board		*board;
	struct slot		*slot;		/* the first of nslots */
	unsigned		 nslots;
	const struct worker_class *class;
	const struct gateway	*gateway;
	int			 id;		/* 0..N-1, reused */
	unsigned		 generation;
	int			 channel;	/* to the master, SEQPACKET */
	bool			 detach;	/* ready: leave the terminal */
	pthread_t		 main;		/* the thread in class->run */
	_Atomic int		 boot;		/* enum worker_boot */
	_Atomic int		 stop;		/* enum worker_stop */
	_Atomic bool		 reopen;	/* USR1: reopen the logs */
	_Atomic bool		 awake;		/* stop is known to run */
	struct worker_limits	 limits;
	struct run		*runs;		/* its threads, nruns of them */
	_Atomic unsigned	 nruns;
	_Atomic unsigned	 stuck;		/* of them, given up for good */
	_Atomic bool		 dozing;	/* the watchdog: wake it */
	_Atomic int		 retiring;	/* enum worker_retire: said */
	_Atomic int64_t		 served;	/* where max_requests counts */
	_Atomic int64_t		 sample_ns;	/* next look at memory */
	int			 statm_fd;
	int			 slow_fd;	/* -1: the error log */
};

/*
 * How requests are scheduled. run() serves until w->stop says otherwise and
 * nothing is left to finish. wake() is the watchdog's, called again and again
 * after it has set stop, or given a request up, until w->awake says that this
 * is known.
 */
struct worker_class {
	const char	*name;		/* as in the worker_class setting */
	int	(*init)(struct worker *, struct err *) MUSTCHECK;
	void	(*run)(struct worker *);
	void	(*wake)(struct worker *);
};
extern const struct worker_class *const worker_classes[];
extern const struct worker_class worker_sync, worker_threaded, worker_async;

/*
 * The whole life of a worker, right after its fork. Does not return. setup:
 * how to start Python, NULL where the template has imported the application.
 */
void	worker_run(struct worker *, const struct py_setup *setup) NORETURN;

/*
 * Make room for so many threads that run requests, with a slot each from the
 * worker's own on; for init. Each of them calls run_enter first.
 */
void	worker_make_runs(struct worker *, unsigned n);

/* How a worker asks to be replaced; only grows. */
enum worker_retire {
	RETIRE_NO,
	RETIRE_SOON,		/* in its turn, when its replacement serves */
	RETIRE_STUCK		/* out of turn: a request does not end */
};
/* Ask once, without waiting; the master says why in the log. */
void	worker_retire(struct worker *, enum worker_retire, const char *, ...)
	    PRINTFLIKE(3, 4);

/*
 * Messages over the channel, worker and template to master. Who speaks is the
 * pid the kernel gives; of a worker that is forked the master knows it from
 * CHAN_FORKED, which comes when the worker is its child.
 */
enum chan_kind {
	CHAN_UP,		/* template: it can fork workers */
	CHAN_FORKED,		/* worker: it exists */
	CHAN_READY,		/* worker: it serves */
	CHAN_FAILED,		/* boot failed, with text */
	CHAN_UNFORKED,		/* template: that order failed, with text */
	CHAN_RETIRE		/* worker: replace me, with text and how */
};
/* Order, master to template: fork one worker, or leave the terminal. */
#define ORDER_DETACH	(-1)
struct chan_order {
	int32_t	 worker;	/* worker id, or ORDER_DETACH */
	uint32_t slot;		/* index in the board of its first one */
};
struct chan_msg {
	int32_t	 kind;		/* enum chan_kind */
	uint32_t slot;		/* of the order, FORKED or not carried out */
	int32_t	 code;		/* FAILED: exit code it deserves */
				/* RETIRE: enum worker_retire */
	char	 text[1024];	/* one sentence */
};
/* Tell the master; false if there is none any more. */
bool	chan_say(int channel, enum chan_kind, uint32_t slot,
	    const struct err *);

#endif

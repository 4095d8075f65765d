/* SPDX-License-Identifier: MIT */
/*
 * The master: no Python, no request bytes. It owns sockets, children and
 * timers; everything happens in callbacks of one libevent base.
 *
 *	master --< app --< gen (one serving, one next, old ones) --< child
 *
 * A gen is what one configuration made of an application: a template and its
 * workers. Nothing is freed in the callback that ends it, but in master_tidy,
 * which runs after it.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <sys/types.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "conf/conf.h"
#include "os/listener.h"
#include "state/scoreboard.h"

/* A loaded configuration, kept as long as a gen was made from it. */
struct config {
	struct conf	*conf;
	unsigned	 refs;
};

/* An open listener, kept as long as a gen that serves uses it. */
struct sock {
	TAILQ_ENTRY(sock)	 entry;
	struct listener		*listener;
	unsigned		 refs;
};
TAILQ_HEAD(socks, sock);

enum child_state {
	CHILD_NONE,		/* template: not running */
	CHILD_ORDERED,		/* worker: its pid is not known yet */
	CHILD_BOOTING,
	CHILD_READY,
	CHILD_STOPPING,		/* asked to leave */
	CHILD_FAILED		/* its boot failed, which was told */
};

/* A ready worker that another one is to take the place of. */
enum child_renewal {
	RENEWAL_NONE,
	RENEWAL_WANTED,		/* in its turn */
	RENEWAL_ORDERED		/* it serves until the other one does */
};

struct child {
	TAILQ_ENTRY(child)	 entry;
	struct gen		*gen;
	pid_t			 pid;		/* 0: none known */
	int			 id;		/* -1: the template */
	uint32_t		 slot;		/* the first of nslots */
	uint32_t		 nslots;
	enum child_state	 state;
	int64_t			 ready_ms;	/* when it became ready */
	struct event		 timer;		/* it must boot, or be gone, */
						/* or has its age */
	enum child_renewal	 renewal;
	bool			 stuck;		/* renewed out of turn */
	bool			 killed;	/* by us, and that was told */
	int64_t			 woken_ns;	/* request it was woken for */
};
TAILQ_HEAD(children, child);

struct gen {
	TAILQ_ENTRY(gen)	 entry;		/* in app->old */
	struct app		*app;
	unsigned		 number;
	struct config		*config;
	const struct conf_app	*conf;
	struct sock		**socks;
	size_t			 nsocks;
	struct child		 template;
	struct children		 workers;
	int			 target;	/* workers wanted */
	int			 near, far;	/* the channel */
	struct event		 on_channel;
	struct event		 retry;		/* pending: backing off */
	unsigned		 failures;	/* to boot, in a row */
	unsigned		 quick;		/* useless lives, in a row */
	unsigned		 crashes;	/* in a row, by a signal */
	int64_t			 crash_ms;	/* when the last one was */
	bool			 proved;	/* a worker was ready */
	bool			 complete;	/* all were, at once */
	bool			 awaited;	/* by the reload that runs */
	bool			 retired;
};
TAILQ_HEAD(gens, gen);

struct app {
	TAILQ_ENTRY(app)	 entry;
	struct master		*master;
	char			*name;
	unsigned		 generation;	/* number of the newest */
	struct gen		*serving;
	struct gen		*next;		/* of a reload; NULL if none */
	struct gens		 old;
	int			 boot_code;	/* of the first failure */
	bool			 leaving;	/* gone from the file */
};
TAILQ_HEAD(apps, app);

struct reload {
	bool		 runs;
	unsigned	 count;			/* its number, or the last's */
	char		*app;			/* of this one; NULL: all */
	char		 failure[2048];		/* sentences; "" */
	bool		 again;			/* another one when it ends, */
	char		*next_app;		/* of this application */
};

/* How the master was asked to end; only grows. */
enum master_stop { MASTER_RUNS, MASTER_DRAINS, MASTER_HURRIES };

#define MASTER_SIGNALS	9

struct master {
	struct event_base	*base;
	struct event		 signals[MASTER_SIGNALS];
	int			 argc;
	char			**argv;
	char			*binary;	/* for an upgrade */
	struct config		*config;
	char			*pidfile;	/* of the start; NULL if none */
	bool			 daemon;
	int64_t			 oom_kills;	/* so far, in our cgroup */
	struct apps		 apps;
	struct socks		 socks;
	struct board		*board;
	bool			*slot_taken;	/* what the board cannot say */
	struct event		 tidy;
	struct event		 watch;		/* next look at the board */
	enum master_stop	 stop;
	int			 code;		/* to exit with */
	bool			 booted;	/* a worker was ready, ever */
	bool			 ready;		/* every application was */
	struct reload		 reload;
	struct upgrade		*upgrade;	/* a new binary starts */
	struct heritage		*heritage;	/* we are the new binary */
	struct control		*control;	/* NULL: none */
	struct event		 pulse;		/* the next WATCHDOG=1 */
	bool			 faint;		/* and it is left out */
	int64_t			 started_ms;
};

/* master.c */
int	master_run(struct conf *, int argc, char **argv);
struct config *config_new(struct conf *);
struct config *config_get(struct config *);
void	config_put(struct config *);
/* Free what has ended, when the present callback is over. */
void	master_tidy(struct master *);
/* A worker became ready, or an application failed: who must know? */
void	master_notice(struct master *);
/* Take n free slots of the board in a row: the first, -1 if there are none. */
int	master_take_slots(struct master *, uint32_t n);
void	master_give_slots(struct master *, uint32_t first, uint32_t n);
/* Take what the configuration says about the error log. */
int	master_set_log(const struct conf *, struct err *) MUSTCHECK;

/* sock.c: listeners by their text, shared by generations */
struct sock *sock_get(struct master *, const char *text,
	    const struct listener_opts *, struct err *) MUSTCHECK;
/* True if that was the last user, and a queue went away with it. */
bool	sock_put(struct master *, struct sock *);
/* The master that left them to us is gone. */
void	sock_own_all(struct master *);
/* The bind texts of an application, passed sockets of its name included. */
int	sock_binds(const struct conf *, const struct conf_app *,
	    struct strlist *, struct err *) MUSTCHECK;
int	sock_options(const struct conf_app *, struct listener_opts *,
	    struct err *) MUSTCHECK;

/* app.c */
struct app *app_new(struct master *, const char *name);
struct app *app_find(struct master *, const char *name);
void	app_free(struct app *);
#define APP_WORKERS_MAX	4096
/* TTIN, TTOU: so many workers more, but never less than one. */
void	app_change_target(struct app *, int by);
/* So many workers, until the next reload. */
void	app_scale(struct app *, int n);
/* No generation of it is left. */
bool	app_is_empty(const struct app *);
/* USR1 to its templates and workers. */
void	app_reopen_logs(struct app *);
/* Leave all generations. */
void	app_retire(struct app *, int signo);

/* gen.c */
struct gen *gen_new(struct app *, struct config *, const struct conf_app *,
	    struct err *) MUSTCHECK;
void	gen_free(struct gen *);
bool	gen_is_empty(const struct gen *);
/* Move towards what is wanted: template, first worker, the others. */
void	gen_fill(struct gen *);
/* Ask all to leave (TERM or INT); it joins app->old. */
void	gen_retire(struct gen *, int signo);
/* To every process of it. */
void	gen_signal(const struct gen *, int signo);
/* Make its log files where only root can, so that workers can open them. */
int	gen_make_logs(const struct conf_app *, struct err *) MUSTCHECK;
void	gen_on_worker_ready(struct gen *);
/* who failed to boot: back off, or give the reload up. */
void	gen_on_boot_failure(struct gen *, const char *who, int code,
	    const char *why);
/* A child died; at once: before it was of any use; crashed: by a signal. */
void	gen_on_death(struct gen *, bool at_once, bool crashed);
int	gen_count(const struct gen *, enum child_state);

/* child.c */
void	child_init(struct child *, struct gen *, int id);
void	child_start_template(struct gen *);
/* Order a worker; -1 if none can be now. */
int	child_order(struct gen *) MUSTCHECK;
/* Workers leave the terminal. */
void	child_detach(struct gen *);
/* TERM: may finish; INT: at once; the deadline is set accordingly. */
void	child_stop(struct child *, int signo);
/* The same, whatever its state. */
void	child_send_away(struct child *, int signo);
/* It will never be ready: that is told once, and it is given time to end. */
void	child_fail(struct child *, int code, const char *why);
/* Free a worker that has no process. */
void	child_free(struct child *);
/* It serves or will; false once it was asked to leave, or failed. */
bool	child_is_wanted(const struct child *);
/* The same, but for one that another worker is to take the place of. */
bool	child_is_kept(const struct child *);
struct child *child_of_pid(struct gen *, pid_t);
/* The worker that was ordered for this slot and has not shown itself. */
struct child *child_on_slot(struct gen *, uint32_t slot);
void	child_signal(const struct child *, int signo);
void	child_set_timer(struct child *, int64_t ms);	/* 0: none */
/* How many requests it runs, and the one that has run longest. */
unsigned child_requests(const struct child *, struct slot_view *longest);
/* "worker", "worker 3 (pid 812)", ", serving GET /x for 3.2 s" or "". */
const char *child_who(const struct child *);
const char *child_name(const struct child *);
const char *child_request(const struct child *);

/* hear.c */
void	hear_on_channel(evutil_socket_t, short, void *gen);
/* Whatever is in the channels now. */
void	hear_all(struct master *);

/* reap.c */
void	reap_all(struct master *);		/* SIGCHLD */

/*
 * recycle.c: workers that are to be replaced, in their turn one at a time, and
 * each only when the one that comes after it serves.
 */
void	recycle_want(struct child *, bool stuck, const char *why);
/* A worker is ready, or gone: whose turn is it? */
void	recycle_go_on(struct gen *);
/* Its age, with jitter, in ms; 0: it may grow as old as it likes. */
int64_t	recycle_age(const struct gen *);

/* watch.c: the deadlines a worker's own watchdog could not keep */
void	watch_init(struct master *);
void	watch_look(struct master *);

/* stop.c */
/* All applications leave, and nothing else: another master serves on. */
void	stop_yield(struct master *);
void	stop_gracefully(struct master *);	/* a second time: fast */
void	stop_fast(struct master *);
/* Stop because nothing ever booted. */
void	stop_hopeless(struct master *, int code);

/*
 * reload.c. The next reload that begins has the number reload.count + 1, and
 * heeds every request made before it.
 */
void	reload_start(struct master *, const char *app);
void	reload_all(struct master *);	/* HUP */
/* Begin one that had to wait. */
void	reload_go_on(struct master *);
/* A generation that is awaited serves, or has failed. */
void	reload_on_ready(struct gen *);
void	reload_on_failure(struct gen *, const char *who, const char *why);

/* check.c */
int	check_config(const struct conf *, int argc, char **argv);

#endif

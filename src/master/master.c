/* SPDX-License-Identifier: MIT */
/* Base, signals, and the steady state: signal → action. */
#include <sys/prctl.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/control.h"
#include "master/master.h"
#include "master/pulse.h"
#include "master/upgrade.h"
#include "os/cgroup.h"
#include "os/daemon.h"
#include "os/fds.h"
#include "os/heir.h"
#include "os/logfile.h"
#include "os/pidfile.h"
#include "os/priv.h"
#include "os/sdaemon.h"
#include "os/self.h"
#include "os/signals.h"
#include "os/title.h"

static bool
is_set(const char *s)
{
	return s != NULL && *s != '\0';
}

struct config *
config_new(struct conf *conf)
{
	struct config *c = xcalloc(1, sizeof(*c));

	c->conf = conf;
	return config_get(c);
}

struct config *
config_get(struct config *c)
{
	c->refs++;
	return c;
}

void
config_put(struct config *c)
{
	if (--c->refs > 0)
		return;
	conf_free(c->conf);
	free(c);
}

int
master_take_slots(struct master *m, uint32_t n)
{
	uint32_t i, run = 0;

	for (i = 0; i < BOARD_ROOM && run < n; i++)
		run = m->slot_taken[i] ? 0 : run + 1;
	if (run < n) {
		log_warnx("more than %d requests at once: no slot is free",
		    BOARD_ROOM);
		return -1;
	}
	if (m->board->nslots < i)
		m->board->nslots = i;
	memset(&m->slot_taken[i - n], true, n);
	m->board->slots[i - n].stage = SLOT_BOOTING;
	return (int)(i - n);
}

void
master_give_slots(struct master *m, uint32_t first, uint32_t n)
{
	memset(&m->slot_taken[first], false, n);
	memset(&m->board->slots[first], 0, n * sizeof(m->board->slots[0]));
}

/* The log file belongs to the user of the applications, if it is one user. */
static int
master_log_owner(const struct conf *conf, struct priv *who, struct err *err)
{
	struct priv other;
	size_t i;

	for (i = 0; i < conf->napps; i++) {
		if (priv_find(conf->apps[i]->s.user, conf->apps[i]->s.group,
		    &other, err) == -1)
			return err_prefix(err, "app %s (%s)",
			    conf->apps[i]->name, conf->apps[i]->where);
		if (i == 0)
			*who = other;
		else if (who->uid != other.uid)
			who->uid = who->gid = -1;
	}
	return 0;
}

int
master_set_log(const struct conf *conf, struct err *err)
{
	struct priv who = { .uid = -1, .gid = -1 };

	if (master_log_owner(conf, &who, err) == -1)
		return -1;
	return logfile_set_error(conf->m.error_logfile, conf->name,
	    (enum log_level)conf->m.log_level, who.uid, who.gid, err);
}

static void
master_free_old(struct app *app)
{
	struct gen *g, *next;

	TAILQ_FOREACH_SAFE(g, &app->old, entry, next)
		if (gen_is_empty(g))
			gen_free(g);
}

static void
master_on_tidy(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct master *m = arg;
	struct app *app, *next;
	bool draining = false;

	TAILQ_FOREACH_SAFE(app, &m->apps, entry, next) {
		master_free_old(app);
		draining |= !TAILQ_EMPTY(&app->old);
		if (app_is_empty(app))
			app_free(app);
	}
	if (m->stop == MASTER_RUNS && !draining)
		m->board->stop_queue = 0;
	if (m->stop != MASTER_RUNS && TAILQ_EMPTY(&m->apps))
		event_base_loopbreak(m->base);
}

void
master_tidy(struct master *m)
{
	event_active(&m->tidy, EV_TIMEOUT, 0);
}

/* STATUS=workers ready: shop 5/5, blog 0/3 */
static void
master_tell_status(const struct master *m)
{
	const struct app *app;
	struct buf text;
	int rc = 0;

	buf_init(&text, 1024);
	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->serving != NULL && rc == 0)
			rc = buf_printf(&text, " %s %d/%d", app->name,
			    gen_count(app->serving, CHILD_READY),
			    app->serving->target);
	if (buf_len(&text) > 0)
		sdaemon_notify("STATUS=workers ready:%.*s",
		    (int)buf_len(&text), buf_head(&text));
	buf_fini(&text);
}

/* The command may return: it leaves us without its terminal. */
static void
master_on_booted(struct master *m)
{
	struct app *app;

	m->booted = true;
	if (!m->daemon)
		return;
	daemon_ready();
	fds_mute();
	TAILQ_FOREACH(app, &m->apps, entry)
		if (app->serving != NULL)
			child_detach(app->serving);
}

void
master_notice(struct master *m)
{
	size_t apps = 0, proved = 0, failed = 0;
	struct app *app;
	int code = 0;

	TAILQ_FOREACH(app, &m->apps, entry) {
		apps++;
		proved += app->serving != NULL && app->serving->proved;
		failed += app->boot_code != 0;
		if (code == 0)
			code = app->boot_code;
	}
	if (!m->booted && proved > 0)
		master_on_booted(m);
	if (!m->booted && failed == apps) {
		stop_hopeless(m, code);
		return;
	}
	if (m->heritage != NULL)
		return;
	master_tell_status(m);
	if (!m->ready && proved == apps) {
		m->ready = true;
		sdaemon_notify("READY=1");
	}
}

static void
master_reopen_logs(struct master *m)
{
	struct app *app;

	logfile_reopen_error();
	log_info("log files opened again");
	TAILQ_FOREACH(app, &m->apps, entry)
		app_reopen_logs(app);
}

static void
master_add_worker(struct master *m)
{
	struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		app_change_target(app, 1);
}

static void
master_drop_worker(struct master *m)
{
	struct app *app;

	TAILQ_FOREACH(app, &m->apps, entry)
		app_change_target(app, -1);
}

static const struct master_signal {
	int	  signo;
	void	(*action)(struct master *);
} master_signals[MASTER_SIGNALS] = {
	{ SIGCHLD, reap_all },
	{ SIGTERM, stop_gracefully },
	{ SIGQUIT, stop_gracefully },
	{ SIGINT, stop_fast },
	{ SIGHUP, reload_all },
	{ SIGUSR1, master_reopen_logs },
	{ SIGUSR2, upgrade_start },
	{ SIGTTIN, master_add_worker },
	{ SIGTTOU, master_drop_worker },
};

static void
master_on_signal(evutil_socket_t signo, short what UNUSED, void *arg)
{
	size_t i;

	for (i = 0; i < nitems(master_signals); i++)
		if (master_signals[i].signo == signo)
			master_signals[i].action(arg);
}

static void
master_on_event_log(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent: %s", text);
}

static int
master_start_events(struct master *m, struct err *err)
{
	size_t i;

	event_set_log_callback(master_on_event_log);
	m->base = event_base_new();
	if (m->base == NULL)
		return err_setc(err, 255, "cannot make an event base");
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < nitems(master_signals); i++) {
		evsignal_assign(&m->signals[i], m->base,
		    master_signals[i].signo, master_on_signal, m);
		event_add(&m->signals[i], NULL);
	}
	event_assign(&m->tidy, m->base, -1, 0, master_on_tidy, m);
	watch_init(m);
	return 0;
}

static int
master_start_board(struct master *m, struct err *err)
{
	m->board = board_new();
	if (m->board == NULL)
		return err_setc(err, 255, "scoreboard: %s", strerror(errno));
	m->slot_taken = xcalloc(BOARD_ROOM, sizeof(*m->slot_taken));
	return 0;
}

static int
master_start_apps(struct master *m, struct err *err)
{
	struct conf *conf = m->config->conf;
	struct app *app;
	size_t i;

	for (i = 0; i < conf->napps; i++) {
		app = app_new(m, conf->apps[i]->name);
		app->serving = gen_new(app, m->config, conf->apps[i], err);
		if (app->serving == NULL)
			return -1;
	}
	return 0;
}

static void
master_announce_app(const struct app *app)
{
	const struct conf_app *conf = app->serving->conf;
	int n = app->serving->target;
	char why[128];

	conf_workers(conf, why, sizeof(why));
	log_info("app %s: starting %d worker%s%s%s%s", app->name, n,
	    n == 1 ? "" : "s", conf->s.workers.automatic ? " (" : "",
	    conf->s.workers.automatic ? why : "",
	    conf->s.workers.automatic ? ")" : "");
	if (geteuid() == 0 && !is_set(conf->s.user))
		log_warnx("app %s: runs as root; set user", app->name);
}

/* What an operator should see first. */
static void
master_announce(const struct master *m)
{
	const struct sock *s;
	const struct app *app;
	char where[160];

	TAILQ_FOREACH(s, &m->socks, entry) {
		addr_format(&s->listener->sock, s->listener->len, where,
		    sizeof(where));
		log_info("saola " SAOLA_VERSION " listening on %s "
		    "(FastCGI and uwsgi, not HTTP)", where);
	}
	TAILQ_FOREACH(app, &m->apps, entry)
		master_announce_app(app);
	if (m->daemon && logfile_error_fd() == STDERR_FILENO)
		log_warnx("the error log ends when the terminal is left; set "
		    "error_logfile");
}

static int
master_start(struct master *m, struct err *err)
{
	const struct conf *conf = m->config->conf;

	sdaemon_init();
	heir_init();
	if (master_set_log(conf, err) == -1)
		return -1;
	if (m->daemon && m->heritage == NULL && daemon_start(err) == -1)
		return -1;
	title_set("master");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		return err_setc(err, 255, "subreaper: %s", strerror(errno));
	if (master_start_events(m, err) == -1 ||
	    master_start_board(m, err) == -1)
		return -1;
	if (m->pidfile != NULL && pidfile_write(m->pidfile, err) == -1)
		return -1;
	return master_start_apps(m, err);
}

/* At the end all applications are gone; after a failed start they are not. */
static void
master_fini(struct master *m)
{
	struct app *app, *next;
	size_t i;

	TAILQ_FOREACH_SAFE(app, &m->apps, entry, next) {
		if (app->serving != NULL)
			gen_free(app->serving);
		app_free(app);
	}
	if (m->pidfile != NULL)
		pidfile_remove(m->pidfile);
	free(m->pidfile);
	heritage_fini(m);
	control_stop(m);
	free(m->reload.app);
	free(m->binary);
	config_put(m->config);
	free(m->slot_taken);
	if (m->base == NULL)
		return;
	for (i = 0; i < nitems(m->signals); i++)
		event_del(&m->signals[i]);
	event_del(&m->watch);
	pulse_stop(m);
	event_base_free(m->base);
}

/* In an upgrade the old master has the control socket, and the last word. */
static void
master_go(struct master *m)
{
	struct app *app;

	pulse_start(m);
	if (m->heritage == NULL) {
		control_start(m);
		heir_fini();
	} else
		heritage_start(m);
	TAILQ_FOREACH(app, &m->apps, entry)
		gen_fill(app->serving);
}

int
master_run(struct conf *conf, int argc, char **argv)
{
	struct master m = {
		.argc = argc, .argv = argv, .started_ms = clock_ms()
	};
	struct err err;

	TAILQ_INIT(&m.apps);
	TAILQ_INIT(&m.socks);
	m.config = config_new(conf);
	m.daemon = conf->m.daemon;
	m.oom_kills = cgroup_oom_kills("");
	m.pidfile = is_set(conf->m.pid) ? xstrdup(conf->m.pid) : NULL;
	m.binary = self_path(argv[0]);
	heritage_init(&m);
	heritage_rename(&m);
	if (master_start(&m, &err) == -1) {
		log_errorx("%s", err.text);
		heritage_fail(&m, err.text);
		m.code = err.code;
		master_fini(&m);
		return m.code;
	}
	master_announce(&m);
	master_go(&m);
	event_base_dispatch(m.base);
	log_info("stopped");
	master_fini(&m);
	return m.code;
}

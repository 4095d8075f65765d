/* SPDX-License-Identifier: MIT */
/* Before, around and after the application. */
#include <sys/resource.h>

#include <fastcgi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "req/access_log.h"
#include "req/req.h"
#include "req/wait.h"
#include "worker/serve.h"
#include "worker/watchdog.h"

#define SERVE_WAITED	(1000 * INT64_C(1000000))
#define SERVE_SAMPLE	(1000 * INT64_C(1000000))

/*
 * Nobody may be left who wants what has waited. A look costs a system call, so
 * it is taken only for as long after a long request as that took, since it may
 * have held this one up, and where the proxy says that it is late.
 */
static bool
serve_is_unwanted(const struct run *run, struct req *req, int64_t waited)
{
	return unlikely(req->accepted_ns < run->look_until_ns ||
	    waited > SERVE_WAITED) && req->io->gone(req);
}

static void
serve_shed(struct req *req, int64_t waited)
{
	static struct log_rate rate;
	char line[256];

	log_rated(&rate, LOG_WARN_, "%s: answered with 503: it has waited for "
	    "%.3f s (queue_timeout)", req_line(req, line, sizeof(line)),
	    (double)waited / 1e9);
	req->refused = true;
	resp_error(req, 503, FCGI_OVERLOADED);
	req->resp.shed = true;
}

/* Whether the application is to see it. */
static bool
serve_admit(const struct worker *w, struct run *run, struct req *req)
{
	int64_t waited = -1;

	if (req->params.known[PARAM_HTTP_X_REQUEST_START].p != NULL ||
	    req->params.known[PARAM_REQUEST_START].p != NULL)
		waited = wait_ns(&req->params, clock_wall_ns());
	hist_add(&run->slot->queue, waited != -1 ? waited :
	    req->start_ns - req->accepted_ns);
	if (unlikely(serve_is_unwanted(run, req, waited))) {
		req->resp.gone = true;
		return false;
	}
	if (w->limits.queue_ns > 0 && waited > w->limits.queue_ns) {
		serve_shed(req, waited);
		return false;
	}
	return true;
}

static void
serve_call(struct worker *w, struct run *run, struct req *req)
{
	run_begin(run, req, w->limits.timeout_ns > 0 ?
	    req->start_ns + w->limits.timeout_ns : 0);
	if (unlikely(w->dozing))
		watchdog_wake(w);
	w->gateway->call(req);
	resp_end(req);
	run_end(run);
}

/* In place of the class of a status: how it ended, where that says more. */
static enum slot_count
serve_outcome(const struct resp *r)
{
	if (r->timed_out)
		return COUNT_TIMED_OUT;
	if (r->shed)
		return COUNT_SHED;
	if (r->gone)
		return COUNT_ABORTED;
	if (r->failed)
		return COUNT_TRUNCATED;
	return r->status < 300 ? COUNT_2XX : r->status < 400 ? COUNT_3XX :
	    r->status < 500 ? COUNT_4XX : COUNT_5XX;
}

/* The watchdog writes for threads that cannot. */
static pthread_mutex_t serve_log_lock = PTHREAD_MUTEX_INITIALIZER;

static void
serve_log(const struct req *req, int64_t end_ns)
{
	pthread_mutex_lock(&serve_log_lock);
	access_log_write(req->conf->access, req, end_ns);
	pthread_mutex_unlock(&serve_log_lock);
}

void
serve_account(struct slot *slot, const struct req *req, int64_t end_ns)
{
	hist_add(&slot->duration, end_ns - req->start_ns);
	slot_count(slot, COUNT_REQUESTS);
	slot_count(slot, serve_outcome(&req->resp));
	if (req->conf->access != NULL)
		serve_log(req, end_ns);
}

/* Its stack was written when it became slow; how long it took is known now. */
static void
serve_log_slow(struct worker *w, const struct req *req, int64_t ns)
{
	char line[400], text[512];
	int n;

	n = snprintf(text, sizeof(text), "app %s: worker %d: %s: took %.3f s",
	    w->app->name, w->id, req_line(req, line, sizeof(line)),
	    (double)ns / 1e9);
	log_block_to(w->slow_fd, LOG_WARN_, "", text, (size_t)n);
}

/* It came back from beyond its deadline. */
static void
serve_after_timeout(struct worker *w, struct run *run, const struct req *req,
    int64_t ns)
{
	char line[400];

	log_info("app %s: worker %d: %s: ended %.1f s after its start",
	    w->app->name, w->id, req_line(req, line, sizeof(line)),
	    (double)ns / 1e9);
	if (run->stuck)
		atomic_fetch_sub(&w->stuck, 1);
}

static void
serve_reopen(struct worker *w, const struct req *req)
{
	if (!atomic_exchange(&w->reopen, false) || req->conf->access == NULL)
		return;
	pthread_mutex_lock(&serve_log_lock);
	access_log_reopen(req->conf->access);
	pthread_mutex_unlock(&serve_log_lock);
}

/* The second number of /proc/self/statm. */
int64_t
serve_rss(struct worker *w)
{
	char text[128], *p;
	ssize_t n;

	n = pread(w->statm_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	strtol(text, &p, 10);
	return strtol(p, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* One thread a second looks at what the process takes. */
static void
serve_sample(struct worker *w, int64_t now)
{
	int64_t due = w->sample_ns, rss = serve_rss(w);
	struct rusage ru;

	if (!atomic_compare_exchange_strong(&w->sample_ns, &due,
	    now + SERVE_SAMPLE))
		return;
	w->slot->rss = rss;
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		w->slot->cpu_us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) *
		    INT64_C(1000000) + ru.ru_utime.tv_usec +
		    ru.ru_stime.tv_usec;
	if (w->limits.memory_soft > 0 && rss > w->limits.memory_soft)
		worker_retire(w, RETIRE_SOON, "%lld MB of memory (memory_soft)",
		    (long long)rss >> 20);
}

static void
serve_count_down(struct worker *w)
{
	int64_t n = atomic_fetch_add(&w->served, 1) + 1;

	if (n >= w->limits.requests)
		worker_retire(w, RETIRE_SOON, "%lld requests (max_requests)",
		    (long long)n);
}

/* What follows from how long it took, if that was long. */
static void
serve_note_long(struct worker *w, struct run *run, const struct req *req,
    int64_t now)
{
	int64_t ns = now - req->start_ns;

	run->look_until_ns = now + ns;
	if (req->resp.timed_out)
		serve_after_timeout(w, run, req, ns);
	if (w->limits.slow_ns > 0 && ns > w->limits.slow_ns) {
		slot_count(run->slot, COUNT_SLOW);
		serve_log_slow(w, req, ns);
	}
}

int64_t
serve_request(struct worker *w, struct run *run, struct req *req, int64_t now)
{
	req->start_ns = now;
	run->accounted = run->stuck = false;
	if (likely(serve_admit(w, run, req)))
		serve_call(w, run, req);
	now = clock_ns();
	if (unlikely(now - req->start_ns >= w->limits.long_ns ||
	    req->resp.timed_out))
		serve_note_long(w, run, req, now);
	if (unlikely(w->reopen))
		serve_reopen(w, req);
	if (likely(!run->accounted))
		serve_account(run->slot, req, now);
	if (unlikely(now >= w->sample_ns))
		serve_sample(w, now);
	if (w->limits.requests > 0)
		serve_count_down(w);
	return now;
}

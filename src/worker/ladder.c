/* SPDX-License-Identifier: MIT */
/* Slow, over its deadline, given up: the rungs. */
#include <fastcgi.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "python/gateway.h"
#include "worker/conn.h"
#include "worker/ladder.h"
#include "worker/serve.h"

#define LADDER_STACKS	65536
#define LADDER_PRESS	INT64_C(20000000)	/* between two signals */
#define LADDER_AGAIN	INT64_C(1000000000)	/* all stacks once a second */

enum rung { RUNG_RUNS, RUNG_SLOW, RUNG_EXPIRED, RUNG_GIVEN_UP };

/* How far the request of a run is. */
struct ladder_step {
	uint64_t	 number;	/* of the request */
	enum rung	 rung;
	int64_t		 since_ns;	/* when it expired */
	int64_t		 again_ns;	/* when to raise again */
};

static struct {
	struct ladder_step *steps;	/* one for each run, once known */
	int64_t		 again_ns;	/* when all stacks are logged next */
	char		 prefix[160];
	char		 text[LADDER_STACKS];
} ladder;

void
ladder_init(struct worker *w)
{
	snprintf(ladder.prefix, sizeof(ladder.prefix), "app %s: worker %d: ",
	    w->app->name, w->id);
}

/* "GET /x", from the slot: the request itself may be gone any moment. */
static const char *
ladder_line(const struct run *run)
{
	static char line[sizeof(struct slot_view)];
	struct slot_view v;
	size_t n;

	if (!slot_read(run->slot, &v))
		return "a request";
	n = log_escape(line, sizeof(line) / 2, v.method, strlen(v.method));
	line[n++] = ' ';
	log_escape(line + n, sizeof(line) - n, v.uri, strlen(v.uri));
	return line;
}

/* The state the kernel has its thread in, for one that shows no stack. */
static char
ladder_task_state(const struct run *run)
{
	char path[64], text[256], *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)run->tid);
	if ((f = fopen(path, "re")) == NULL)
		return '?';
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	return p != NULL && p[1] == ' ' ? p[2] : '?';
}

/* One block, so that what it says stays together: a head, and the stack. */
static void
ladder_log_stack(const struct run *run, int fd, enum log_level level,
    const char *what, int64_t age)
{
	char *text = ladder.text;
	int n;

	n = snprintf(text, LADDER_STACKS / 2, "%s: %s, running for %.1f s\n",
	    ladder_line(run), what, (double)age / 1e9);
	n += (int)py_dump_thread(run->thread, text + n,
	    (size_t)(LADDER_STACKS - n));
	if (text[n - 1] != '\n' || strchr(text, '\n') == text + n - 1)
		n += snprintf(text + n, (size_t)(LADDER_STACKS - n),
		    "no Python stack could be had (its thread is in state "
		    "%c)\n", ladder_task_state(run));
	log_block_to(fd, level, ladder.prefix, text, (size_t)n);
}

/* What the others do may say why this one waits. */
static void
ladder_log_others(const struct run *run, int64_t now)
{
	size_t n;

	if (now < ladder.again_ns)
		return;
	ladder.again_ns = now + LADDER_AGAIN;
	n = py_dump_others(run->thread, ladder.text, LADDER_STACKS);
	log_block(LOG_ERROR_, ladder.prefix, ladder.text, n);
}

/*
 * A request that stands in for one whose thread may be anywhere: the same
 * parameters, which nobody changes, and a response of its own.
 */
static struct req *
ladder_stand_in(const struct req *req)
{
	static struct req in;
	static bool ready;

	if (!ready)
		req_init(&in, req->conf);
	ready = true;
	req_reset(&in);
	in.proto = req->proto;
	in.io = &conn_io_queued;
	in.carrier = req->carrier;
	in.id = req->id;
	in.keep = req->keep;
	in.accepted_ns = req->accepted_ns;
	in.start_ns = req->start_ns;
	in.params = req->params;
	in.params.shape = NULL;
	in.body.len = req->body.len;
	return &in;
}

/* With the run's lock. */
static void
ladder_account(struct run *run, const struct req *req)
{
	serve_account(run->slot, req, clock_ns());
	run->accounted = true;
}

/* Step 2, before a byte has left: the thread will not write any more. */
static void
ladder_answer(struct run *run, int status)
{
	struct req *in = ladder_stand_in(run->req);

	resp_error(in, status, status == 503 ? FCGI_OVERLOADED :
	    FCGI_REQUEST_COMPLETE);
	conn_answer(in->carrier);
	in->resp.timed_out = true;
	ladder_account(run, in);
}

/* Keep the thread from writing, and write in its place. False: it is over. */
static bool
ladder_seize(struct run *run, uint64_t number, int status)
{
	enum run_state was;

	pthread_mutex_lock(&run->lock);
	was = run_seize(run, number);
	if (was == RUN_OPEN)
		ladder_answer(run, status);
	else if (was == RUN_SENT || was == RUN_BLOCKED)
		conn_cut(run->req->carrier, was == RUN_BLOCKED);
	pthread_mutex_unlock(&run->lock);
	return was != RUN_NONE;
}

/* why NULL: nobody will want to know. */
static void
ladder_expire(struct run *run, uint64_t number, int64_t age, const char *why)
{
	if (why != NULL)
		ladder_log_stack(run, -1, LOG_ERROR_, why, age);
	if (!ladder_seize(run, number, 504))
		return;
	if (why != NULL)
		ladder_log_others(run, clock_ns());
}

/*
 * Its line was not written if the response had begun, and it was not yet cut
 * off if it was just being written.
 */
static void
ladder_finish(struct worker *w, struct run *run, enum run_state was)
{
	struct req late = *run->req;

	if (was == RUN_CUT && !late.resp.ended)
		conn_cut(late.carrier, false);
	late.resp.timed_out = true;
	late.resp.gone = false;
	if (!run->accounted)
		ladder_account(run, &late);
	run->stuck = true;
	atomic_fetch_add(&w->stuck, 1);
}

/* False: it has ended meanwhile. */
static bool
ladder_mark_stuck(struct worker *w, struct run *run, uint64_t number)
{
	enum run_state was;

	pthread_mutex_lock(&run->lock);
	was = run_seize(run, number);
	if (was != RUN_NONE)
		ladder_finish(w, run, was);
	pthread_mutex_unlock(&run->lock);
	return was != RUN_NONE;
}

/* Step 4. A worker with nobody left to serve goes, another one drains. */
static void
ladder_give_up(struct worker *w, struct run *run, uint64_t number, int64_t age)
{
	if (!ladder_mark_stuck(w, run, number))
		return;
	log_errorx("%s%s: did not end within abort_grace, running for %.1f s",
	    ladder.prefix, ladder_line(run), (double)age / 1e9);
	w->awake = false;
	worker_retire(w, RETIRE_STUCK, "%s does not end", ladder_line(run));
	if (w->stuck == w->nruns)
		_exit(1);
}

/* Step 3, until it has worked; then, if it did not help, the last one. */
static int64_t
ladder_press(struct worker *w, struct run *run, struct ladder_step *step,
    int64_t now)
{
	int64_t last = step->since_ns + w->limits.grace_ns;

	if (now >= last) {
		step->rung = RUNG_GIVEN_UP;
		ladder_give_up(w, run, step->number, now - run->start_ns);
		return INT64_MAX;
	}
	if (now >= step->again_ns)
		step->again_ns = py_abort(run, step->number) ?
		    now + LADDER_PRESS : INT64_MAX;
	return step->again_ns < last ? step->again_ns : last;
}

/* What is due for a request that has not expired, and when. */
static int64_t
ladder_watch(struct worker *w, struct run *run, struct ladder_step *step,
    int64_t now, const struct ladder_limit *limit)
{
	int64_t start = run->start_ns;
	int64_t due = run->deadline_ns, slow = w->limits.slow_ns;
	const char *why = "over its timeout";

	if (due == 0 || due > limit->ns) {
		due = limit->ns;
		why = limit->fast ? NULL : "over graceful_timeout";
	}
	if (now >= due) {
		ladder_expire(run, step->number, now - start, why);
		step->rung = RUNG_EXPIRED;
		step->since_ns = clock_ns();
		return ladder_press(w, run, step, step->since_ns);
	}
	if (slow == 0 || step->rung == RUNG_SLOW)
		return due;
	if (now < start + slow)
		return due < start + slow ? due : start + slow;
	step->rung = RUNG_SLOW;
	ladder_log_stack(run, w->slow_fd, LOG_WARN_, "slow", now - start);
	return due;
}

static int64_t
ladder_step(struct worker *w, struct run *run, struct ladder_step *step,
    int64_t now, const struct ladder_limit *limit, bool *busy)
{
	uint64_t claim = atomic_load(&run->claim);

	if (run_state(claim) == RUN_NONE)
		return INT64_MAX;
	*busy = true;
	if (run_number(claim) != step->number)
		*step = (struct ladder_step){ .number = run_number(claim) };
	switch (step->rung) {
	case RUNG_RUNS:
	case RUNG_SLOW:
		return ladder_watch(w, run, step, now, limit);
	case RUNG_EXPIRED:
		return ladder_press(w, run, step, now);
	case RUNG_GIVEN_UP:
		break;
	}
	return INT64_MAX;
}

int64_t
ladder_turn(struct worker *w, int64_t now, struct ladder_limit limit,
    bool *busy)
{
	int64_t first = INT64_MAX, due;
	unsigned i, n = w->nruns;

	if (ladder.steps == NULL && n > 0)
		ladder.steps = xcalloc(n, sizeof(*ladder.steps));
	*busy = false;
	for (i = 0; i < n; i++) {
		due = ladder_step(w, &w->runs[i], &ladder.steps[i], now,
		    &limit, busy);
		if (due < first)
			first = due;
	}
	return first;
}

void
ladder_drop(struct worker *w, const char *why)
{
	uint64_t claim;
	unsigned i;

	for (i = 0; i < w->nruns; i++) {
		claim = atomic_load(&w->runs[i].claim);
		if (run_state(claim) == RUN_NONE)
			continue;
		log_errorx("%s%s: %s", ladder.prefix,
		    ladder_line(&w->runs[i]), why);
		ladder_seize(&w->runs[i], run_number(claim), 503);
	}
	_exit(1);
}

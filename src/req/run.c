/* SPDX-License-Identifier: MIT */
/* The start and end of requests, and who answers them. */
#include <string.h>
#include <unistd.h>

#include "req/req.h"
#include "req/run.h"

void
run_init(struct run *r, struct slot *slot)
{
	memset(r, 0, sizeof(*r));
	r->slot = slot;
	pthread_mutex_init(&r->lock, NULL);
}

void
run_enter(struct run *r)
{
	r->thread = pthread_self();
	r->tid = gettid();
}

/*
 * The exchange is a full barrier: the watchdog either sees the request before
 * it goes to sleep, or is seen sleeping by whoever looks after this.
 */
void
run_begin(struct run *r, struct req *req, int64_t deadline_ns)
{
	uint64_t claim = atomic_load_explicit(&r->claim, memory_order_relaxed);

	r->req = req;
	req->run = r;
	atomic_store_explicit(&r->start_ns, req->start_ns,
	    memory_order_relaxed);
	atomic_store_explicit(&r->deadline_ns, deadline_ns,
	    memory_order_relaxed);
	slot_begin(r->slot, req->start_ns, deadline_ns,
	    req->params.known[PARAM_REQUEST_METHOD],
	    req->params.known[PARAM_REQUEST_URI]);
	atomic_exchange(&r->claim, (run_number(claim) + 1) * RUN_STATES +
	    RUN_OPEN);
}

void
run_extend(struct run *r, int64_t deadline_ns)
{
	if (r->deadline_ns == 0 || r->deadline_ns >= deadline_ns ||
	    run_state(r->claim) >= RUN_TAKEN)
		return;
	r->deadline_ns = deadline_ns;
	r->slot->req.deadline_ns = deadline_ns;
}

/* The watchdog had its hand on the connection: wait until it has let go. */
static void
run_end_seized(struct run *r, enum run_state state)
{
	struct resp *resp = &r->req->resp;

	pthread_mutex_lock(&r->lock);
	pthread_mutex_unlock(&r->lock);
	resp->timed_out = true;
	resp->taken = state == RUN_TAKEN;
	resp->failed = state == RUN_CUT && (!resp->ended || resp->gone);
	resp->gone = false;
}

void
run_end(struct run *r)
{
	uint64_t claim = atomic_load_explicit(&r->claim, memory_order_relaxed);

	claim = atomic_exchange(&r->claim, claim - claim % RUN_STATES +
	    RUN_NONE);
	if (unlikely(run_state(claim) >= RUN_TAKEN))
		run_end_seized(r, run_state(claim));
	r->req->run = NULL;
	slot_end(r->slot);
}

enum run_state
run_seize(struct run *r, uint64_t number)
{
	enum run_state state;
	uint64_t claim;

	do {
		claim = atomic_load(&r->claim);
		state = run_state(claim);
		if (run_number(claim) != number)
			return RUN_NONE;
		if (state == RUN_NONE || state >= RUN_TAKEN)
			return state;
	} while (!run_move(r, claim, state == RUN_OPEN ? RUN_TAKEN : RUN_CUT));
	return state;
}

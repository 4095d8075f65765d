/* SPDX-License-Identifier: MIT */
/* Slots in shared memory: one writer each, any reader. */
#include <sys/mman.h>

#include <string.h>

#include "state/scoreboard.h"

#define SLOT_TRIES	100	/* a writer needs nanoseconds */

struct board *
board_new(void)
{
	struct board *b;

	b = mmap(NULL, sizeof(*b) + BOARD_ROOM * sizeof(b->slots[0]),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);
	return b != MAP_FAILED ? b : NULL;
}

uint32_t
board_used(const struct board *b)
{
	uint32_t n = b->nslots;

	return n < BOARD_ROOM ? n : BOARD_ROOM;
}

static void
slot_copy(char *dst, size_t size, struct str src)
{
	size_t n = src.len < size ? src.len : size - 1;

	if (n > 0)
		memcpy(dst, src.p, n);
	dst[n] = '\0';
}

void
slot_begin(struct slot *s, int64_t now_ns, struct str method, struct str uri)
{
	struct slot_request *r = &s->req;
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_relaxed);

	atomic_store_explicit(&r->seq, seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	slot_copy(r->method, sizeof(r->method), method);
	slot_copy(r->uri, sizeof(r->uri), uri);
	atomic_store_explicit(&r->start_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(&r->seq, (seq | 1) + 1, memory_order_release);
	atomic_store_explicit(&s->stage, SLOT_BUSY, memory_order_release);
}

void
slot_end(struct slot *s)
{
	uint64_t n = atomic_load_explicit(&s->requests, memory_order_relaxed);

	atomic_store_explicit(&s->requests, n + 1, memory_order_relaxed);
	atomic_store_explicit(&s->req.start_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->stage, SLOT_IDLE, memory_order_release);
}

bool
slot_read(const struct slot *s, struct slot_view *v)
{
	const struct slot_request *r = &s->req;
	uint32_t before, after;
	int i;

	for (i = 0; i < SLOT_TRIES; i++) {
		before = atomic_load_explicit(&r->seq, memory_order_acquire);
		v->start_ns = atomic_load_explicit(&r->start_ns,
		    memory_order_relaxed);
		memcpy(v->method, r->method, sizeof(v->method));
		memcpy(v->uri, r->uri, sizeof(v->uri));
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&r->seq, memory_order_relaxed);
		if (before == after && (before & 1) == 0)
			break;
	}
	/* The writer may be hostile: the copy ends where it must. */
	v->method[sizeof(v->method) - 1] = '\0';
	v->uri[sizeof(v->uri) - 1] = '\0';
	return i < SLOT_TRIES && v->start_ns > 0;
}

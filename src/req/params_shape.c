/* SPDX-License-Identifier: MIT */
/*
 * Names of parameters: what each means, which repeat, and the cache of whole
 * sequences. Most requests come with names seen before in the same order, and
 * then none of them is looked at again.
 */
#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "req/params_shape.h"

#define SHAPES_MAX	32
#define SHAPE_NAMES	4096	/* bytes of names a shape may have */
#define SHAPE_PAIRS	128
#define SEEN_MAX	64	/* sequences remembered by their hash */

struct shape_name {
	uint16_t	 len;
	struct param_class is;
};

struct param_shape {
	unsigned	 serial;
	unsigned	 holds;		/* requests that point here */
	void		*slot;
	size_t		 size;		/* bytes of names */
	char		*names;		/* one after the other */
	uint16_t	 n;		/* as params.n */
	struct shape_name name[];	/* from 1 on */
};

/*
 * The shapes, last used first. A sequence gets one when it is met for the
 * second time in a while, so that passing strangers push nobody out.
 */
static struct {
	struct param_shape *v[SHAPES_MAX];
	size_t		 n;
	unsigned	 serial;
	uint64_t	 seen[SEEN_MAX];
	size_t		 seen_at;
	uint64_t	 seed[2];	/* of the hash; 0: not drawn yet */
} cache;

enum {
	NAME_KEEP	= 1,	/* into the environ under its name */
	NAME_HTTP	= 2,
	NAME_LIST	= 4	/* repeated values form a list */
};

/* Names that are not treated like any other of their kind. */
static const struct {
	struct str	 name;
	uint8_t		 id;
	uint8_t		 flags;
} shape_known[] = {
#define KNOWN(n, flags)		{ { #n, sizeof(#n) - 1 }, PARAM_##n, flags }
#define HTTP(n, flags)		{ { #n, sizeof(#n) - 1 }, PARAM_OTHER, \
				  NAME_HTTP | (flags) }
	KNOWN(REQUEST_METHOD, NAME_KEEP),
	KNOWN(REQUEST_URI, NAME_KEEP),
	KNOWN(SERVER_SOFTWARE, NAME_KEEP),
	KNOWN(REMOTE_ADDR, NAME_KEEP),
	KNOWN(REMOTE_PORT, NAME_KEEP),
	KNOWN(REMOTE_USER, NAME_KEEP),
	KNOWN(AUTH_TYPE, NAME_KEEP),
	KNOWN(HTTPS, NAME_KEEP),
	KNOWN(REQUEST_SCHEME, NAME_KEEP),
	KNOWN(UWSGI_SCHEME, NAME_KEEP),
	KNOWN(REQUEST_START, NAME_KEEP),
	KNOWN(CONTENT_TYPE, NAME_KEEP),
	/* What the application gets of these is computed. */
	KNOWN(SCRIPT_NAME, 0),
	KNOWN(PATH_INFO, 0),
	KNOWN(QUERY_STRING, 0),
	KNOWN(CONTENT_LENGTH, 0),
	KNOWN(SERVER_NAME, 0),
	KNOWN(SERVER_PORT, 0),
	KNOWN(SERVER_PROTOCOL, 0),
	KNOWN(HTTP_COOKIE, NAME_HTTP | NAME_KEEP | NAME_LIST),
	KNOWN(HTTP_X_FORWARDED_PROTO, NAME_HTTP | NAME_KEEP | NAME_LIST),
	KNOWN(HTTP_HOST, NAME_HTTP | NAME_KEEP),
	/* A list of them would be a lie: the last one counts. */
	HTTP(HTTP_AUTHORIZATION, NAME_KEEP),
	HTTP(HTTP_REFERER, NAME_KEEP),
	HTTP(HTTP_ORIGIN, NAME_KEEP),
	HTTP(HTTP_IF_MODIFIED_SINCE, NAME_KEEP),
	HTTP(HTTP_IF_UNMODIFIED_SINCE, NAME_KEEP),
	HTTP(HTTP_IF_RANGE, NAME_KEEP),
	HTTP(HTTP_MAX_FORWARDS, NAME_KEEP),
	KNOWN(HTTP_X_REQUEST_START, NAME_HTTP | NAME_KEEP),
	/* The client's word on what the proxy decides, or the hop's. */
	HTTP(HTTP_PROXY, 0),
	HTTP(HTTP_CONTENT_LENGTH, 0),
	HTTP(HTTP_CONTENT_TYPE, 0),
	HTTP(HTTP_TRANSFER_ENCODING, 0),
	HTTP(HTTP_TE, 0),
	HTTP(HTTP_TRAILER, 0),
	HTTP(HTTP_KEEP_ALIVE, 0),
	HTTP(HTTP_PROXY_CONNECTION, 0),
	HTTP(HTTP_EXPECT, 0),
	KNOWN(HTTP_CONNECTION, NAME_HTTP),
	KNOWN(HTTP_UPGRADE, NAME_HTTP),
#undef KNOWN
#undef HTTP
};

/* Keys that only the server may set. */
static const struct str shape_reserved[] = {
	{ "wsgi.", 5 }, { "asgi.", 5 }, { "saola.", 6 }
};

/* Printable, without a blank or "="; bytes from 0x80 on pass. */
static bool
shape_is_name(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x21 || c == 0x7f || c == '=')
			return false;
	}
	return true;
}

static bool
shape_is_reserved(struct str name)
{
	size_t i;

	for (i = 0; i < nitems(shape_reserved); i++)
		if (str_starts(name, shape_reserved[i]))
			return true;
	return false;
}

/* The meaning of one name; returns its flags. */
static unsigned
shape_class(struct str name, struct param_class *is)
{
	unsigned flags = NAME_KEEP;
	size_t i;

	if (str_starts(name, STR("HTTP_")))
		flags = NAME_HTTP | NAME_KEEP | NAME_LIST;
	else if (name.len == 0 || shape_is_reserved(name))
		flags = 0;
	is->id = PARAM_OTHER;
	for (i = 0; i < nitems(shape_known); i++) {
		if (!str_eq(name, shape_known[i].name))
			continue;
		is->id = shape_known[i].id;
		flags = shape_known[i].flags;
		break;
	}
	is->http = flags & NAME_HTTP;
	is->keep = flags & NAME_KEEP;
	is->more = 0;
	return flags;
}

/* A product of two words, folded: secret factors keep it unguessable. */
static uint64_t
shape_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t
shape_hash(struct str s)
{
	uint64_t h = cache.seed[0] ^ s.len, word;

	for (; s.len >= sizeof(word); s.p += sizeof(word)) {
		memcpy(&word, s.p, sizeof(word));
		h = shape_mix(h ^ word, cache.seed[1]);
		s.len -= sizeof(word);
	}
	word = 0;
	memcpy(&word, s.p, s.len);
	return shape_mix(h ^ word, cache.seed[1]);
}

/* Without random bytes (a very early boot) the address of the heap serves. */
static void
shape_seed(void)
{
	size_t i;

	if (cache.seed[0] != 0)
		return;
	if (getrandom(cache.seed, sizeof(cache.seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(cache.seed))
		for (i = 0; i < nitems(cache.seed); i++)
			cache.seed[i] += (uintptr_t)&cache * (2 * i + 3);
	for (i = 0; i < nitems(cache.seed); i++)
		cache.seed[i] |= 1;
}

/* An open-addressed table of the last entry with each name. */
struct shape_table {
	uint16_t	*at;	/* index into v, 0: free */
	size_t		 mask;
};

static int
shape_table_init(struct shape_table *t, size_t n, struct arena *arena)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	if ((t->at = arena_alloc(arena, size * sizeof(*t->at))) == NULL)
		return -1;
	memset(t->at, 0, size * sizeof(*t->at));
	t->mask = size - 1;
	return 0;
}

/* Enter v[i]; returns the entry with the same name before it, or 0. */
static uint16_t
shape_table_enter(struct shape_table *t, const struct param *v, uint16_t i,
    uint64_t hash)
{
	size_t slot;
	uint16_t was;

	for (slot = hash & t->mask; (was = t->at[slot]) != 0;
	    slot = (slot + 1) & t->mask)
		if (str_eq(v[was].name, v[i].name))
			break;
	t->at[slot] = i;
	return was;
}

/* v[i] has the name of v[was]: it goes behind it, or takes its place. */
static void
shape_repeat(struct param *v, uint16_t was, uint16_t i, unsigned flags)
{
	if (flags & NAME_LIST) {
		v[was].is.more = i;
		v[i].is.keep = false;
	} else
		v[was].is.keep = false;
}

/* Look at every name; *hash becomes that of the sequence. */
static int
shape_look(struct params *p, struct arena *arena, uint64_t *hash,
    const char **why)
{
	struct param *v = p->v;
	struct shape_table table;
	uint64_t h;
	unsigned flags;
	uint16_t i, was;

	if (shape_table_init(&table, p->n, arena) == -1) {
		*why = "no memory for the parameters";
		return 503;
	}
	*hash = 0;
	for (i = 1; i < p->n; i++) {
		if (!shape_is_name(v[i].name)) {
			*why = "malformed name of a parameter";
			return 400;
		}
		flags = shape_class(v[i].name, &v[i].is);
		h = shape_hash(v[i].name);
		*hash = shape_mix(*hash ^ h, cache.seed[1]);
		if ((was = shape_table_enter(&table, v, i, h)) != 0)
			shape_repeat(v, was, i, flags);
	}
	return 0;
}

/* Whether this sequence was met lately; it is from now on. */
static bool
shape_seen(uint64_t hash)
{
	size_t i;

	for (i = 0; i < SEEN_MAX; i++)
		if (cache.seen[i] == hash)
			return true;
	cache.seen[cache.seen_at++ % SEEN_MAX] = hash;
	return false;
}

/*
 * Names at the end differ most: they are the client's. What they
 * mean is filled in on the way, and overwritten where another shape matches.
 */
static bool
shape_matches(const struct param_shape *s, struct params *p)
{
	const struct shape_name *is = s->name + s->n;
	struct param *a = p->v + s->n;
	const char *name = s->names + s->size;

	while (--is > s->name) {
		a--;
		name -= is->len;
		if (is->len != a->name.len ||
		    !bytes_same(name, a->name.p, is->len))
			return false;
		a->is = is->is;
	}
	return true;
}

static struct param_shape *
shape_find(struct params *p)
{
	struct param_shape *s;
	size_t i;

	for (i = 0; i < cache.n; i++) {
		s = cache.v[i];
		if (s->n != p->n || !shape_matches(s, p))
			continue;
		if (i > 0) {
			memmove(cache.v + 1, cache.v, i * sizeof(s));
			cache.v[0] = s;
		}
		return s;
	}
	return NULL;
}

static struct param_shape *
shape_new(const struct params *p, size_t names)
{
	struct param_shape *s;
	char *at;
	uint16_t i;

	s = calloc(1, sizeof(*s) + p->n * sizeof(s->name[0]) + names);
	if (s == NULL)
		return NULL;
	s->serial = ++cache.serial;
	s->n = p->n;
	s->size = names;
	s->names = at = (char *)&s->name[p->n];
	for (i = 1; i < p->n; i++) {
		s->name[i].len = (uint16_t)p->v[i].name.len;
		s->name[i].is = p->v[i].is;
		memcpy(at, p->v[i].name.p, p->v[i].name.len);
		at += p->v[i].name.len;
	}
	return s;
}

/* Put s first; the last one nobody holds makes room and leaves its slot. */
static int
shape_enter(struct param_shape *s)
{
	size_t i = cache.n;

	if (cache.n < SHAPES_MAX)
		cache.n++;
	else {
		while (i > 0 && cache.v[i - 1]->holds > 0)
			i--;
		if (i == 0)
			return -1;
		s->slot = cache.v[--i]->slot;
		free(cache.v[i]);
	}
	memmove(cache.v + 1, cache.v, i * sizeof(s));
	cache.v[0] = s;
	return 0;
}

static struct param_shape *
shape_admit(const struct params *p, uint64_t hash)
{
	struct param_shape *s;
	size_t names = 0;
	uint16_t i;

	for (i = 1; i < p->n; i++)
		names += p->v[i].name.len;
	if (names > SHAPE_NAMES || p->n > SHAPE_PAIRS || !shape_seen(hash) ||
	    (s = shape_new(p, names)) == NULL)
		return NULL;
	if (shape_enter(s) == -1) {
		free(s);
		return NULL;
	}
	return s;
}

int
shape_classify(struct params *p, struct arena *arena, const char **why)
{
	struct param_shape *s = shape_find(p);
	uint64_t hash;
	int status;

	if (s == NULL) {
		shape_seed();
		if ((status = shape_look(p, arena, &hash, why)) != 0)
			return status;
		s = shape_admit(p, hash);
	}
	if ((p->shape = s) != NULL)
		s->holds++;
	return 0;
}

void
params_fini(struct params *p)
{
	if (p->shape != NULL)
		p->shape->holds--;
	p->shape = NULL;
}

void **
params_shape_slot(struct param_shape *s)
{
	return &s->slot;
}

unsigned
params_shape_serial(const struct param_shape *s)
{
	return s->serial;
}

/* SPDX-License-Identifier: MIT */
/*
 * Our FastCGI decoder against libfcgi: the same bytes to both, then the
 * verdict, the parameters and the body are compared. Requests come from a
 * seeded generator, mostly right, some odd, some broken:
 *
 *	diff_fcgi [count [seed]]
 *
 * A difference passes only if the bytes hold something of which libfcgi is
 * known to make something else; differences[] lists these, each with the
 * reason why ours stays. GET_VALUES with many names never goes in: libfcgi
 * overflows its stack there.
 */
#include <err.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/proto.h"

#define INPUT_MAX	(1 << 17)
#define ANNOUNCED_MAX	(1 << 20)	/* libfcgi allocates what is said */

/* What makes libfcgi differ. */
enum oddity {
	ODD_NONE,
	ODD_ROLE,
	ODD_SECOND,
	ODD_EARLY,
	ODD_TYPE,
	ODD_MANAGEMENT,
	ODD_PADDING,
	ODD_EMPTY,
	ODD_CUT,
	ODD_MAX
};

static const char *const differences[ODD_MAX] = {
	[ODD_ROLE] = "role is not responder: accepted, or closed without a "
	    "word; we answer 500",
	[ODD_SECOND] = "BEGIN for the active id: refused for that id, and the "
	    "request goes on; we close",
	[ODD_EARLY] = "record before BEGIN: may be taken for one of the last "
	    "connection's request; we skip it",
	[ODD_TYPE] = "record of another type than is due: a protocol error; "
	    "we know ABORT, a repeated end, and what to ignore",
	[ODD_MANAGEMENT] = "management record that is no good question: its "
	    "content is taken for the request's; we answer or close",
	[ODD_PADDING] = "padding of BEGIN or of the end of PARAMS: read as the "
	    "next header; we skip it",
	[ODD_EMPTY] = "empty record of another id: the next content is lost; "
	    "we skip the record alone",
	[ODD_CUT] = "input ends inside PARAMS: accepted if no pair is cut; we "
	    "wait for the rest"
};

struct bytes {
	char		 p[INPUT_MAX];
	size_t		 len;
};

/* What a decoder made of an input. */
struct outcome {
	bool		 accepted;	/* the parameters are whole and good */
	bool		 whole;		/* and so is the body */
	struct bytes	 params;	/* name=value, each with a NUL */
	struct bytes	 body;
};

/* The one GET_VALUES that goes in. */
static const char	 question[] = "\x0d\0FCGI_MAX_REQS";
#define QUESTION_LEN	(sizeof(question) - 1)

static uint64_t		 state;		/* of the generator */
static unsigned long	 served;	/* requests that both found good */

static void
put(struct bytes *b, const void *p, size_t len)
{
	if (len > sizeof(b->p) - b->len)
		errx(1, "buffer is full");
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

/* xorshift64*, below n. */
static unsigned
pick(unsigned n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * 0x2545f4914f6cdd1d) >> 33) % n;
}

static bool
one_in(unsigned n)
{
	return pick(n) == 0;
}

/* Mostly short, at times around the places where a format changes. */
static unsigned
pick_len(void)
{
	static const unsigned edges[] = { 0, 1, 127, 128, 129, 255, 256, 8184 };

	if (one_in(8))
		return edges[pick(8)];
	return one_in(30) ? pick(9000) : pick(30);
}

static void
put_letters(struct bytes *b, unsigned len)
{
	char		 c;

	for (; len > 0; len--) {
		c = (char)pick(256);
		put(b, &c, 1);
	}
}

static void
put_record(struct bytes *b, uint8_t type, uint16_t id, const void *content,
    size_t len, uint8_t padding)
{
	const uint8_t	 h[] = {
		1, type, (uint8_t)(id >> 8), (uint8_t)id,
		(uint8_t)(len >> 8), (uint8_t)len, padding, (uint8_t)pick(256)
	};

	put(b, h, sizeof(h));
	put(b, content, len);
	put_letters(b, padding);
}

static uint8_t
pick_padding(void)
{
	return one_in(3) ? (uint8_t)pick(256) : 0;
}

static void
put_begin(struct bytes *b, uint16_t id)
{
	const uint8_t	 body[] = {
		0, one_in(60) ? (uint8_t)pick(5) : FCGI_RESPONDER,
		(uint8_t)pick(2), 0, 0, 0, 0, 0
	};

	put_record(b, FCGI_BEGIN_REQUEST, id, body, one_in(150) ? 7 : 8,
	    one_in(30) ? 8 : 0);
}

/* A record that should disturb nothing, or that only a broken peer sends. */
static void
put_noise(struct bytes *b, uint16_t id)
{
	switch (pick(10)) {
	case 0:
		put_record(b, (uint8_t)pick(13), id, "noise", pick(6), 0);
		break;
	case 1:
		put_begin(b, one_in(2) ? id : (uint16_t)(id + 2));
		break;
	case 2:
		put_record(b, (uint8_t)(10 + pick(4)), 0, "noise", pick(6), 0);
		break;
	case 3:
		put_record(b, FCGI_GET_VALUES, 0, question, QUESTION_LEN,
		    pick_padding());
		break;
	default:
		put_record(b, (uint8_t)(2 + pick(7)), (uint16_t)(id + 1),
		    "noise", pick(6), pick_padding());
	}
}

/* Content as a stream: cut into records of any size, noise between them. */
static void
put_stream(struct bytes *b, uint8_t type, uint16_t id,
    const struct bytes *content)
{
	size_t		 at, n;

	for (at = 0; at < content->len; at += n) {
		n = 1 + pick(one_in(2) ? 20 : 20000);
		if (n > content->len - at)
			n = content->len - at;
		if (one_in(25))
			put_noise(b, id);
		put_record(b, type, id, content->p + at, n, pick_padding());
	}
	if (one_in(40))
		put_noise(b, id);
	put_record(b, type, id, "", 0, one_in(30) ? 8 : 0);
	if (one_in(60))
		put_record(b, type, id, "", 0, 0);
}

static void
put_length(struct bytes *b, unsigned len)
{
	const uint8_t	 l[] = {
		(uint8_t)(len >> 24 | 0x80), (uint8_t)(len >> 16),
		(uint8_t)(len >> 8), (uint8_t)len
	};

	if (len > 127 || one_in(6))
		put(b, l, 4);
	else
		put(b, l + 3, 1);
}

static void
put_pairs(struct bytes *b)
{
	unsigned	 n, nlen, vlen;

	for (n = pick(12); n > 0; n--) {
		nlen = pick_len();
		vlen = pick_len();
		put_length(b, nlen);
		put_length(b, vlen);
		put_letters(b, nlen);
		put_letters(b, vlen);
	}
	if (b->len > 0 && one_in(20))
		b->len -= 1 + pick(b->len < 5 ? (unsigned)b->len : 5);
}

/* One request, as a peer might send it. */
static void
generate(struct bytes *b)
{
	static struct bytes params, body;
	uint16_t	 id = (uint16_t)(1 + pick(one_in(2) ? 3 : 65000));

	b->len = params.len = body.len = 0;
	put_pairs(&params);
	if (one_in(2))
		put_letters(&body, one_in(10) ? pick(40000) : pick(400));
	if (one_in(40))
		put_noise(b, id);
	put_begin(b, id);
	put_stream(b, FCGI_PARAMS, id, &params);
	put_stream(b, FCGI_STDIN, id, &body);
	if (one_in(10))
		b->p[pick((unsigned)b->len)] = (char)pick(256);
	if (one_in(12))
		b->len = pick((unsigned)b->len) + 1;
}

/* As libfcgi hands parameters over: strings, which end at a NUL. */
static bool
ours_split(struct outcome *o, struct bytes *block)
{
	struct proto_str rest = { block->p, block->len }, name, value;
	size_t		 start;
	int		 got;

	while ((got = fcgi_ops.pair(&rest, &name, &value)) == 1) {
		start = o->params.len;
		put(&o->params, name.p, name.len);
		put(&o->params, "=", 1);
		put(&o->params, value.p, value.len);
		put(&o->params, "", 1);
		o->params.len = start + strlen(o->params.p + start) + 1;
	}
	return got == 0;
}

/* Returns false when there is no more to learn. */
static bool
ours_event(struct outcome *o, struct bytes *block, enum proto_ev what,
    const struct proto_event *ev)
{
	switch (what) {
	case PROTO_PARAMS:
		put(block, ev->data.p, ev->data.len);
		return true;
	case PROTO_HEAD:
		return o->accepted = ours_split(o, block);
	case PROTO_BODY:
		put(&o->body, ev->data.p, ev->data.len);
		return true;
	case PROTO_END:
		o->whole = true;
		return false;
	case PROTO_REFUSE:
	case PROTO_REPLY:
	case PROTO_BEGIN:
		return true;
	default:
		return false;
	}
}

/* Ours: fed in pieces of any size, answered by nobody. */
static void
ours(const struct bytes *input, struct outcome *o, struct bytes *block)
{
	struct proto_dec dec = { .ops = &fcgi_ops, .limits.streams = 1 };
	struct proto_event ev;
	struct proto_str in = { input->p, 0 };
	const char	*end = input->p + input->len;
	enum proto_ev	 what;

	o->accepted = o->whole = false;
	o->params.len = o->body.len = block->len = 0;
	fcgi_ops.init(&dec, NULL);
	while (in.p < end) {
		in.len = 1 + pick(one_in(2) ? 10 : 10000);
		if (in.len > (size_t)(end - in.p))
			in.len = (size_t)(end - in.p);
		while ((what = fcgi_ops.decode(&dec, &in, &ev)) != PROTO_NEED)
			if (!ours_event(o, block, what, &ev))
				return;
	}
}

/* libfcgi: it accepts from a real socket, on which all the bytes wait. */
static int
theirs_listen(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int		 fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	/* Autobind: an abstract name that nobody else has. */
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun,
	    sizeof(sun.sun_family)) == -1 || listen(fd, 8) == -1)
		err(1, "listen");
	return fd;
}

static int
theirs_connect(int listener, const struct bytes *input)
{
	struct sockaddr_un sun;
	socklen_t	 len = sizeof(sun);
	int		 fd, room = 4 * INPUT_MAX;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == -1 ||
	    getsockname(listener, (struct sockaddr *)&sun, &len) == -1 ||
	    connect(fd, (struct sockaddr *)&sun, len) == -1)
		err(1, "connect");
	if (write(fd, input->p, input->len) != (ssize_t)input->len)
		err(1, "write");
	shutdown(fd, SHUT_WR);
	return fd;
}

static void
theirs_read(FCGX_Request *r, struct outcome *o)
{
	char		**e, buf[4096];
	int		 n;

	o->accepted = FCGX_GetError(r->in) == 0;
	/* The first one is libfcgi's own, FCGI_ROLE. */
	for (e = r->envp + 1; *e != NULL; e++)
		put(&o->params, *e, strlen(*e) + 1);
	while ((n = FCGX_GetStr(buf, sizeof(buf), r->in)) > 0)
		put(&o->body, buf, (size_t)n);
	o->whole = FCGX_GetError(r->in) == 0;
}

/* A listener that does not block ends the wait for a better connection. */
static void
theirs(FCGX_Request *r, const struct bytes *input, struct outcome *o)
{
	int		 fd = theirs_connect(r->listen_sock, input);

	o->accepted = o->whole = false;
	o->params.len = o->body.len = 0;
	if (FCGX_Accept_r(r) >= 0) {
		theirs_read(r, o);
		FCGX_Finish_r(r);
		FCGX_Free(r, 1);
	}
	close(fd);
}

/* Add a length at *p to *sum; false if the block ends inside it. */
static bool
add_length(const uint8_t **p, const uint8_t *end, uint64_t *sum)
{
	const uint8_t	*l = *p;
	size_t		 n = l < end && l[0] & 0x80 ? 4 : 1;

	if ((size_t)(end - l) < n)
		return false;
	*sum += n == 1 ? l[0] : (uint64_t)(l[0] & 0x7f) << 24 |
	    (uint64_t)l[1] << 16 | (uint64_t)l[2] << 8 | l[3];
	*p += n;
	return true;
}

/* A pair that libfcgi would allocate before it finds that it is not there. */
static bool
announces_too_much(const struct bytes *block)
{
	const uint8_t	*p = (const uint8_t *)block->p, *end = p + block->len;
	uint64_t	 sum = 0;

	while (add_length(&p, end, &sum) && add_length(&p, end, &sum) &&
	    sum <= (uint64_t)(end - p)) {
		p += sum;
		sum = 0;
	}
	return sum > ANNOUNCED_MAX;
}

/* Where a request stands, as far as a walk over its records tells. */
struct walk {
	unsigned	 id;		/* 0: not begun */
	unsigned	 stream;	/* type that is due */
	bool		 over;		/* whole, or an error for everybody */
};

static enum oddity
walk_begin(struct walk *w, unsigned id, const uint8_t *h, size_t len)
{
	if (w->id != 0)
		return id == w->id ? ODD_SECOND : ODD_NONE;
	if (id == 0 || len != 8) {
		w->over = true;
		return ODD_NONE;
	}
	w->id = id;
	if (h[8] != 0 || h[9] != FCGI_RESPONDER)
		return ODD_ROLE;
	return h[6] > 0 ? ODD_PADDING : ODD_NONE;
}

static enum oddity
walk_management(unsigned type, const uint8_t *content, size_t len)
{
	if (type == FCGI_GET_VALUES && len == QUESTION_LEN &&
	    memcmp(content, question, len) == 0)
		return ODD_NONE;
	if (len == 0 && (type == 0 || type >= FCGI_GET_VALUES))
		return ODD_NONE;
	return ODD_MANAGEMENT;
}

static enum oddity
walk_stream(struct walk *w, unsigned type, const uint8_t *h, size_t len)
{
	if (type != w->stream)
		return ODD_TYPE;
	if (len > 0)
		return ODD_NONE;
	w->over = type == FCGI_STDIN;
	w->stream = FCGI_STDIN;
	return !w->over && h[6] > 0 ? ODD_PADDING : ODD_NONE;
}

static enum oddity
walk_record(struct walk *w, const uint8_t *h, size_t len)
{
	unsigned	 id = (unsigned)(h[2] << 8 | h[3]), type = h[1];

	if (type == FCGI_BEGIN_REQUEST)
		return walk_begin(w, id, h, len);
	if (id == 0)
		return walk_management(type, h + 8, len);
	if (w->id == 0)
		return ODD_EARLY;
	if (id == w->id)
		return walk_stream(w, type, h, len);
	return len == 0 ? ODD_EMPTY : ODD_NONE;
}

/* The first thing in the input of which libfcgi is known to make its own. */
static enum oddity
oddity(const struct bytes *input)
{
	const uint8_t	*p = (const uint8_t *)input->p;
	size_t		 left = input->len, len;
	struct walk	 w = { .stream = FCGI_PARAMS };
	enum oddity	 odd = ODD_NONE;

	while (odd == ODD_NONE && !w.over && left >= 8 && p[0] == 1) {
		len = (size_t)(p[4] << 8 | p[5]);
		if (len > left - 8) {
			odd = p[2] == 0 && p[3] == 0 ? ODD_MANAGEMENT : odd;
			break;
		}
		odd = walk_record(&w, p, len);
		len += 8 + p[6];
		if (len > left)
			break;
		p += len;
		left -= len;
	}
	if (odd == ODD_NONE && !w.over && w.stream == FCGI_PARAMS)
		return ODD_CUT;
	return odd;
}

static bool
bytes_equal(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool
outcome_equal(const struct outcome *a, const struct outcome *b)
{
	if (!a->accepted || !b->accepted)
		return a->accepted == b->accepted;
	return a->whole == b->whole && bytes_equal(&a->params, &b->params) &&
	    bytes_equal(&a->body, &b->body);
}

static void
report(const struct bytes *input, unsigned long n, const struct outcome *a,
    const struct outcome *b)
{
	size_t		 i;

	printf("request %lu: ours %s %s, %zu bytes of parameters, %zu of body; "
	    "libfcgi %s %s, %zu, %zu\n", n,
	    a->accepted ? "accepted" : "refused", a->whole ? "whole" : "cut",
	    a->params.len, a->body.len, b->accepted ? "accepted" : "refused",
	    b->whole ? "whole" : "cut", b->params.len, b->body.len);
	for (i = 0; i < input->len && i < 400; i++)
		printf("%02x%s", (uint8_t)input->p[i],
		    i % 32 == 31 ? "\n" : " ");
	printf("\n");
}

/*
 * A child asks libfcgi what an odd input is to it: what it takes for lengths
 * there may be gigabytes, and then it aborts. Returns whether it agrees.
 */
static bool
odd_agrees(FCGX_Request *r, const struct bytes *input, struct outcome *a,
    struct outcome *b)
{
	int		 status;
	pid_t		 pid = fork();

	if (pid == -1)
		err(1, "fork");
	if (pid == 0) {
		alarm(10);
		close(STDERR_FILENO);
		theirs(r, input, b);
		_exit(!outcome_equal(a, b));
	}
	if (waitpid(pid, &status, 0) == -1)
		err(1, "waitpid");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One request to both: ODD_NONE if they agree, ODD_MAX if nothing says why. */
static enum oddity
compare(FCGX_Request *r, unsigned long n)
{
	static struct bytes input, block;
	static struct outcome a, b;
	enum oddity	 odd;

	generate(&input);
	ours(&input, &a, &block);
	odd = oddity(&input);
	if (odd != ODD_NONE)
		return odd_agrees(r, &input, &a, &b) ? ODD_NONE : odd;
	if (announces_too_much(&block))
		return a.accepted ? ODD_MAX : ODD_NONE;
	theirs(r, &input, &b);
	if (outcome_equal(&a, &b)) {
		served += a.accepted && a.whole;
		return ODD_NONE;
	}
	report(&input, n, &a, &b);
	return ODD_MAX;
}

int
main(int argc, char *argv[])
{
	unsigned long	 count = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
	unsigned long	 seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	unsigned long	 n, found[ODD_MAX + 1] = { 0 };
	FCGX_Request	 r;
	int		 odd;

	state = seed * 2 + 1;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&r, theirs_listen(), 0) != 0)
		errx(1, "libfcgi does not start");
	/* It has parked for ever on less. */
	alarm((unsigned)(60 + count / 500));
	for (n = 0; n < count; n++)
		found[compare(&r, n)]++;
	printf("diff_fcgi: seed %lu, the same %lu times (%lu good requests)\n",
	    seed, found[ODD_NONE], served);
	for (odd = 1; odd < ODD_MAX; odd++)
		printf("%8lu  %s\n", found[odd], differences[odd]);
	printf("%lu passed, %lu failed\n", count - found[ODD_MAX],
	    found[ODD_MAX]);
	return found[ODD_MAX] > 0;
}

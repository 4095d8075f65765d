/* SPDX-License-Identifier: MIT */

/*
 * A load generator for application servers: FastCGI, uwsgi and HTTP/1.1, each
 * over UNIX or TCP sockets, with the variables nginx sends.
 *
 * One thread holds a number of connections and keeps one request in flight on
 * each.  The first answer (the probe, outside the figures) is taken as the
 * truth, checked against what the command line says of it; every later one
 * must equal it.  A wrong answer ends the run: its figures would mean nothing.
 * The result is one line of JSON.
 */

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fastcgi.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LOAD_REQ_ID	1
#define LOAD_STDIN_MAX	32768		/* nginx's largest STDIN record */
#define LOAD_HEAD_MAX	8192
#define LOAD_IN_SIZE	(256 * 1024)
#define LOAD_EVENTS	256
#define LOAD_STALL_MS	30000
#define LOAD_NSEC	1000000000ull

/* Latencies: 64 steps for each power of two nanoseconds, so within 1.6 %. */
#define LOAD_HIST_BITS	6
#define LOAD_HIST_SIZE	(64 << LOAD_HIST_BITS)

/* Which of nginx's lists of variables has it. */
#define LOAD_FCGI	1
#define LOAD_UWSGI	2
#define LOAD_BOTH	(LOAD_FCGI | LOAD_UWSGI)

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

struct load_buf {
	unsigned char	*p;
	size_t		 len;
	size_t		 size;
};

struct load_pair {
	const char	*name;
	const char	*value;
};

/* What one kind of client sends; the names differ from mix to mix. */
struct load_mix {
	const char		*path;
	const char		*query;
	const char		*addr;
	struct load_pair	 headers[8];
};

/* What an answer has shown of itself so far. */
struct load_resp {
	bool		 begun;		/* a byte has arrived */
	bool		 in_body;	/* the head is complete */
	bool		 framed;	/* something but EOF marks its end */
	bool		 complete;	/* that end has come */
	bool		 chunked;
	int		 status;
	long long	 length;	/* Content-Length, or -1 */
	size_t		 body;		/* bytes of it so far */
	size_t		 headlen;

	/* FastCGI record, or HTTP chunk, that is being read */
	unsigned char	 rec[FCGI_HEADER_LEN];
	size_t		 reclen;
	size_t		 content;
	size_t		 padding;
	char		 line[64];
	size_t		 linelen;
	bool		 chunk_end;	/* a line end is due behind the data */
	bool		 trailer;

	char		 head[LOAD_HEAD_MAX + 1];
};

struct load_conn {
	int		 fd;
	bool		 waiting;	/* for an answer */
	bool		 reused;	/* has carried a request before */
	bool		 armed_out;
	unsigned int	 variant;
	size_t		 sent;
	uint64_t	 begun;
	struct load_resp resp;
};

/* build: a request into buf.  feed: bytes of an answer. */
struct load_proto {
	const char	*name;
	bool		 can_keep;
	void		(*build)(struct load_buf *, unsigned int);
	void		(*feed)(struct load_resp *, const unsigned char *,
			    size_t);
};

static const struct load_mix load_mixes[] = {
	{ "/hello", "", "203.0.113.7", {
	    { "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) "
	      "Gecko/20100101 Firefox/128.0" },
	    { "Accept", "text/html,application/xhtml+xml,application/xml;"
	      "q=0.9,*/*;q=0.8" },
	    { "Accept-Language", "en-US,en;q=0.5" },
	    { "Accept-Encoding", "gzip, deflate, br, zstd" },
	    { "Referer", "https://www.example.org/catalogue?page=3" },
	    { "Cookie", "sessionid=k3j2h4g5f6d7s8a9q0w1e2r3t4y5u6i7; "
	      "csrftoken=Zx81Lq0Tn5Vb7Rm2" },
	    { "Upgrade-Insecure-Requests", "1" },
	    { "Sec-Fetch-Mode", "navigate" } } },
	{ "/hello/world", "q=saola&page=2", "198.51.100.23", {
	    { "User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
	      "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
	      "Safari/537.36" },
	    { "Accept", "text/html,application/xhtml+xml,application/xml;"
	      "q=0.9,image/avif,image/webp,*/*;q=0.8" },
	    { "Accept-Language", "de-DE,de;q=0.9,en;q=0.7" },
	    { "Accept-Encoding", "gzip, deflate, br" },
	    { "Referer", "https://www.example.org/" },
	    { "Cookie", "sessionid=p0o9i8u7y6t5r4e3w2q1a2s3d4f5g6h7; "
	      "theme=dark" },
	    { "Upgrade-Insecure-Requests", "1" },
	    { "Cache-Control", "max-age=0" } } },
	{ "/hello", "", "2001:db8::5:17", {
	    { "User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
	      "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
	      "Safari/605.1.15" },
	    { "Accept", "text/html,application/xhtml+xml,application/xml;"
	      "q=0.9,*/*;q=0.8" },
	    { "Accept-Language", "fr-FR,fr;q=0.9" },
	    { "Accept-Encoding", "gzip, deflate, br" },
	    { "Referer", "https://www.example.org/catalogue?page=1" },
	    { "Cookie", "sessionid=m1n2b3v4c5x6z7l8k9j0h1g2f3d4s5a6" },
	    { "Upgrade-Insecure-Requests", "1" },
	    { "Sec-Fetch-Mode", "navigate" } } },
	{ "/hello/api", "id=4711", "192.0.2.99", {
	    { "User-Agent", "Mozilla/5.0 (Android 14; Mobile; rv:127.0) "
	      "Gecko/127.0 Firefox/127.0" },
	    { "Accept", "application/json, text/plain, */*" },
	    { "Accept-Language", "pt-BR,pt;q=0.8,en;q=0.5" },
	    { "Accept-Encoding", "gzip, deflate" },
	    { "Referer", "https://www.example.org/app" },
	    { "Cookie", "sessionid=q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6; "
	      "csrftoken=Ab12Cd34Ef56Gh78" },
	    { "X-Requested-With", "XMLHttpRequest" },
	    { "DNT", "1" } } },
};

/* Each mix is built four times, with another client port. */
#define LOAD_VARIANTS	(nitems(load_mixes) * 4)

static struct {
	const struct load_proto	*proto;
	struct sockaddr_storage	 addr;
	socklen_t		 addrlen;
	bool			 keep;
	unsigned int		 conns;
	uint64_t		 requests;	/* still to be begun */
	uint64_t		 deadline;	/* for beginning one; 0: none */
	uint64_t		 wait_until;	/* for somebody to listen */
	size_t			 body;

	struct load_buf		 head[LOAD_VARIANTS];
	struct load_buf		 tail;		/* the body, as framed */
	struct load_buf		 ref;		/* what an answer must be */
	bool			 learning;
	unsigned int		 next;		/* variant */

	int			 epfd;
	struct load_conn	*conn;
	unsigned int		 busy;
	uint64_t		 done;
	uint64_t		 connects;
	uint64_t		 retries;
	uint64_t		 bytes;
	uint64_t		 max;
	uint64_t		 hist[LOAD_HIST_SIZE];
} L = { .conns = 64, .epfd = -1 };

static unsigned char	load_in[LOAD_IN_SIZE];

static uint64_t
load_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * LOAD_NSEC + ts.tv_nsec;
}

static unsigned char *
load_buf_grow(struct load_buf *b, size_t n)
{
	if (b->size - b->len < n) {
		b->size = (b->size + n) * 2;
		b->p = realloc(b->p, b->size);
		if (b->p == NULL)
			err(1, NULL);
	}
	b->len += n;
	return b->p + b->len - n;
}

static void
load_buf_add(struct load_buf *b, const void *p, size_t n)
{
	if (n > 0)
		memcpy(load_buf_grow(b, n), p, n);
}

/*
 * Requests.
 */

/* A length of a FastCGI pair: one byte, or four with the high bit set. */
static void
load_add_length(struct load_buf *b, size_t n)
{
	unsigned char *p;

	if (n < 128) {
		*load_buf_grow(b, 1) = n;
		return;
	}
	p = load_buf_grow(b, 4);
	p[0] = 0x80 | n >> 24;
	p[1] = n >> 16;
	p[2] = n >> 8;
	p[3] = n;
}

static void
load_add_fcgi(struct load_buf *b, const char *name, const char *value)
{
	size_t nlen = strlen(name), vlen = strlen(value);

	load_add_length(b, nlen);
	load_add_length(b, vlen);
	load_buf_add(b, name, nlen);
	load_buf_add(b, value, vlen);
}

static void
load_add_short(struct load_buf *b, const char *s)
{
	size_t n = strlen(s);
	unsigned char *p = load_buf_grow(b, 2);

	p[0] = n;
	p[1] = n >> 8;
	load_buf_add(b, s, n);
}

static void
load_add_uwsgi(struct load_buf *b, const char *name, const char *value)
{
	load_add_short(b, name);
	load_add_short(b, value);
}

typedef void load_add_fn(struct load_buf *, const char *, const char *);

/* The browser's headers, as variables. */
static void
load_add_headers(struct load_buf *b, load_add_fn *add,
    const struct load_mix *mix)
{
	char name[64], *p;
	size_t i;

	add(b, "HTTP_HOST", "www.example.org");
	for (i = 0; i < nitems(mix->headers); i++) {
		snprintf(name, sizeof(name), "HTTP_%s", mix->headers[i].name);
		for (p = name; *p != '\0'; p++)
			*p = *p == '-' ? '_' : toupper((unsigned char)*p);
		add(b, name, mix->headers[i].value);
	}
}

/*
 * The variables of nginx's fastcgi.conf or uwsgi_params and the headers, in
 * the order in which nginx sends them: 29 and 22 in all.
 */
static void
load_add_params(struct load_buf *b, load_add_fn *add, unsigned int variant)
{
	const struct load_mix *mix;
	const int list = add == load_add_fcgi ? LOAD_FCGI : LOAD_UWSGI;
	char uri[256], file[256], port[8], length[24] = "";
	size_t i;

	mix = &load_mixes[variant % nitems(load_mixes)];
	snprintf(uri, sizeof(uri), "%s%s%s", mix->path,
	    *mix->query != '\0' ? "?" : "", mix->query);
	snprintf(file, sizeof(file), "/var/www%s", mix->path);
	snprintf(port, sizeof(port), "%u", 40000 + variant * 811);
	if (L.body > 0)
		snprintf(length, sizeof(length), "%zu", L.body);
	const struct {
		int		 lists;
		struct load_pair pair;
	} vars[] = {
		{ LOAD_FCGI, { "SCRIPT_FILENAME", file } },
		{ LOAD_BOTH, { "QUERY_STRING", mix->query } },
		{ LOAD_BOTH, { "REQUEST_METHOD",
		    L.body > 0 ? "POST" : "GET" } },
		{ LOAD_BOTH, { "CONTENT_TYPE",
		    L.body > 0 ? "application/octet-stream" : "" } },
		{ LOAD_BOTH, { "CONTENT_LENGTH", length } },
		{ LOAD_FCGI, { "SCRIPT_NAME", mix->path } },
		{ LOAD_BOTH, { "REQUEST_URI", uri } },
		{ LOAD_UWSGI, { "PATH_INFO", mix->path } },
		{ LOAD_FCGI, { "DOCUMENT_URI", mix->path } },
		{ LOAD_BOTH, { "DOCUMENT_ROOT", "/var/www" } },
		{ LOAD_BOTH, { "SERVER_PROTOCOL", "HTTP/1.1" } },
		{ LOAD_BOTH, { "REQUEST_SCHEME", "http" } },
		{ LOAD_FCGI, { "GATEWAY_INTERFACE", "CGI/1.1" } },
		{ LOAD_FCGI, { "SERVER_SOFTWARE", "nginx/1.22.1" } },
		{ LOAD_BOTH, { "REMOTE_ADDR", mix->addr } },
		{ LOAD_BOTH, { "REMOTE_PORT", port } },
		{ LOAD_FCGI, { "REMOTE_USER", "" } },
		{ LOAD_FCGI, { "SERVER_ADDR", "192.0.2.1" } },
		{ LOAD_BOTH, { "SERVER_PORT", "80" } },
		{ LOAD_BOTH, { "SERVER_NAME", "www.example.org" } },
		{ LOAD_FCGI, { "REDIRECT_STATUS", "200" } },
	};

	for (i = 0; i < nitems(vars); i++) {
		if (vars[i].lists & list)
			add(b, vars[i].pair.name, vars[i].pair.value);
	}
	load_add_headers(b, add, mix);
}

/* One record, padded to 8 bytes as nginx does. */
static void
load_add_record(struct load_buf *b, int type, const void *p, size_t n)
{
	static const unsigned char zero[8];
	FCGI_Header h = {
		.version = FCGI_VERSION_1, .type = type,
		.requestIdB0 = LOAD_REQ_ID,
		.contentLengthB1 = n >> 8, .contentLengthB0 = n,
		.paddingLength = -n & 7,
	};

	load_buf_add(b, &h, sizeof(h));
	load_buf_add(b, p, n);
	load_buf_add(b, zero, h.paddingLength);
}

static void
load_build_fcgi(struct load_buf *b, unsigned int variant)
{
	FCGI_BeginRequestBody begin = {
		.roleB0 = FCGI_RESPONDER, .flags = L.keep ? FCGI_KEEP_CONN : 0,
	};
	struct load_buf params = { .p = NULL };

	load_add_record(b, FCGI_BEGIN_REQUEST, &begin, sizeof(begin));
	load_add_params(&params, load_add_fcgi, variant);
	load_add_record(b, FCGI_PARAMS, params.p, params.len);
	load_add_record(b, FCGI_PARAMS, NULL, 0);
	if (L.body == 0)
		load_add_record(b, FCGI_STDIN, NULL, 0);
	free(params.p);
}

static void
load_build_uwsgi(struct load_buf *b, unsigned int variant)
{
	size_t n;

	load_buf_add(b, "\0\0\0", 4);
	load_add_params(b, load_add_uwsgi, variant);
	n = b->len - 4;
	b->p[1] = n;
	b->p[2] = n >> 8;
}

static void
load_build_http(struct load_buf *b, unsigned int variant)
{
	const struct load_mix *mix;
	char line[512];
	size_t i;

	mix = &load_mixes[variant % nitems(load_mixes)];
	load_buf_add(b, line, snprintf(line, sizeof(line),
	    "%s %s%s%s HTTP/1.1\r\nHost: www.example.org\r\n",
	    L.body > 0 ? "POST" : "GET", mix->path,
	    *mix->query != '\0' ? "?" : "", mix->query));
	for (i = 0; i < nitems(mix->headers); i++)
		load_buf_add(b, line, snprintf(line, sizeof(line),
		    "%s: %s\r\n", mix->headers[i].name,
		    mix->headers[i].value));
	if (L.body > 0)
		load_buf_add(b, line, snprintf(line, sizeof(line),
		    "Content-Length: %zu\r\n", L.body));
	if (!L.keep)
		load_buf_add(b, "Connection: close\r\n", 19);
	load_buf_add(b, "\r\n", 2);
}

/* The body: bytes that no repetition of a block can imitate. */
static void
load_build_body(struct load_buf *b)
{
	uint32_t x = 1;
	size_t i;

	load_buf_grow(b, L.body);
	for (i = 0; i < L.body; i++) {
		x = x * 1664525 + 1013904223;
		b->p[i] = x >> 24;
	}
}

/* The body goes out as it is, or in FastCGI records; all variants share it. */
static void
load_build_tail(const struct load_buf *body)
{
	size_t off, n;

	if (strcmp(L.proto->name, "fcgi") != 0) {
		load_buf_add(&L.tail, body->p, body->len);
		return;
	}
	for (off = 0; off < body->len; off += n) {
		n = body->len - off;
		if (n > LOAD_STDIN_MAX)
			n = LOAD_STDIN_MAX;
		load_add_record(&L.tail, FCGI_STDIN, body->p + off, n);
	}
	load_add_record(&L.tail, FCGI_STDIN, NULL, 0);
}

static void
load_build(bool echo)
{
	struct load_buf body = { .p = NULL };
	unsigned int i;

	for (i = 0; i < LOAD_VARIANTS; i++)
		L.proto->build(&L.head[i], i);
	if (L.body == 0)
		return;
	load_build_body(&body);
	load_build_tail(&body);
	if (echo)
		L.ref = body;
	else
		free(body.p);
}

/*
 * Answers.
 */

static void
load_resp_init(struct load_resp *r)
{
	memset(r, 0, offsetof(struct load_resp, head));
	r->length = -1;
}

/* Bytes of the body: learn them, or compare them with what was learnt. */
static void
load_feed_body(struct load_resp *r, const unsigned char *p, size_t n)
{
	if (L.learning)
		load_buf_add(&L.ref, p, n);
	else if (n > L.ref.len - r->body)
		errx(1, "body longer than the expected %zu bytes", L.ref.len);
	else if (memcmp(L.ref.p + r->body, p, n) != 0)
		errx(1, "body differs within %zu bytes from %zu", n, r->body);
	r->body += n;
}

/* The value of a header line, if it has this name (with its colon). */
static const char *
load_header(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0)
		return NULL;
	return line + n + strspn(line + n, " \t");
}

static void
load_parse_head(struct load_resp *r)
{
	const char *line, *v;

	r->status = 200;
	if (strncmp(r->head, "HTTP/1.", 7) == 0)
		r->status = atoi(r->head + 8);
	for (line = r->head; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if ((v = load_header(line, "Status:")) != NULL)
			r->status = atoi(v);
		else if ((v = load_header(line, "Content-Length:")) != NULL)
			r->length = atoll(v);
		else if ((v = load_header(line, "Transfer-Encoding:")) != NULL)
			r->chunked = strncasecmp(v, "chunked", 7) == 0;
	}
	if (r->status != 200)
		errx(1, "status %d: %s", r->status, r->head);
	r->in_body = true;
}

/*
 * Take what belongs to the head; returns how many of the n bytes that were.
 * They are copied, so that a head may come in any pieces.
 */
static size_t
load_feed_head(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t had = r->headlen, take, from;
	char *end;

	take = n < LOAD_HEAD_MAX - had ? n : LOAD_HEAD_MAX - had;
	memcpy(r->head + had, p, take);
	r->head[had + take] = '\0';
	from = had < 3 ? 0 : had - 3;
	end = memmem(r->head + from, had + take - from, "\r\n\r\n", 4);
	if (end == NULL) {
		if (had + take == LOAD_HEAD_MAX)
			errx(1, "head longer than %d bytes", LOAD_HEAD_MAX);
		r->headlen = had + take;
		return take;
	}
	r->headlen = end + 4 - r->head;
	r->head[r->headlen] = '\0';
	load_parse_head(r);
	return r->headlen - had;
}

/* uwsgi, and what FastCGI carries: a head, then a body up to the end. */
static void
load_feed_cgi(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t took;

	if (!r->in_body) {
		took = load_feed_head(r, p, n);
		p += took;
		n -= took;
	}
	if (n > 0)
		load_feed_body(r, p, n);
}

/* A chunk's size line, the line end behind its data, or a trailer line. */
static void
load_chunk_line(struct load_resp *r)
{
	if (r->trailer) {
		r->complete = r->linelen == 0;
	} else if (r->chunk_end) {
		if (r->linelen != 0)
			errx(1, "chunk without a line end");
		r->chunk_end = false;
	} else {
		r->line[r->linelen] = '\0';
		r->content = strtoul(r->line, NULL, 16);
		r->trailer = r->content == 0;
		r->chunk_end = !r->trailer;
	}
	r->linelen = 0;
}

static void
load_feed_chunked(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t take;

	while (n > 0 && !r->complete) {
		if (r->content > 0) {
			take = n < r->content ? n : r->content;
			load_feed_body(r, p, take);
			r->content -= take;
			p += take;
			n -= take;
			continue;
		}
		if (*p == '\n')
			load_chunk_line(r);
		else if (*p != '\r' && r->linelen < sizeof(r->line) - 1)
			r->line[r->linelen++] = *p;
		p++;
		n--;
	}
	if (n > 0)
		errx(1, "%zu bytes behind the last chunk", n);
}

static void
load_feed_http(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t took;

	if (!r->in_body) {
		took = load_feed_head(r, p, n);
		p += took;
		n -= took;
	}
	if (!r->in_body)
		return;
	r->framed = r->chunked || r->length >= 0;
	if (r->chunked) {
		load_feed_chunked(r, p, n);
		return;
	}
	load_feed_body(r, p, n);
	r->complete = r->length >= 0 && r->body >= (size_t)r->length;
}

static void
load_begin_record(struct load_resp *r)
{
	FCGI_Header h;

	memcpy(&h, r->rec, sizeof(h));
	if (h.version != FCGI_VERSION_1 || h.requestIdB1 != 0 ||
	    h.requestIdB0 != LOAD_REQ_ID)
		errx(1, "not a record of ours: version %d id %d", h.version,
		    h.requestIdB1 << 8 | h.requestIdB0);
	if (h.type != FCGI_STDOUT && h.type != FCGI_STDERR &&
	    h.type != FCGI_END_REQUEST)
		errx(1, "record of type %d", h.type);
	r->content = h.contentLengthB1 << 8 | h.contentLengthB0;
	r->padding = h.paddingLength;
}

static void
load_feed_end(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != 0)
			errx(1, "END_REQUEST reports a failure");
	r->complete = r->content == n && r->padding == 0;
}

/* Returns how many bytes of the record at hand it took. */
static size_t
load_feed_content(struct load_resp *r, const unsigned char *p, size_t n)
{
	const int type = r->rec[offsetof(FCGI_Header, type)];
	size_t take;

	if (r->content == 0) {
		take = n < r->padding ? n : r->padding;
		r->padding -= take;
		r->complete = type == FCGI_END_REQUEST && r->padding == 0;
	} else {
		take = n < r->content ? n : r->content;
		if (type == FCGI_STDOUT)
			load_feed_cgi(r, p, take);
		else if (type == FCGI_END_REQUEST)
			load_feed_end(r, p, take);
		else
			errx(1, "STDERR: %.*s", (int)take, (const char *)p);
		r->content -= take;
	}
	if (r->content + r->padding == 0)
		r->reclen = 0;
	return take;
}

static void
load_feed_fcgi(struct load_resp *r, const unsigned char *p, size_t n)
{
	size_t take;

	r->framed = true;
	while (n > 0) {
		if (r->complete)
			errx(1, "%zu bytes behind END_REQUEST", n);
		if (r->reclen < FCGI_HEADER_LEN) {
			take = FCGI_HEADER_LEN - r->reclen;
			if (take > n)
				take = n;
			memcpy(r->rec + r->reclen, p, take);
			r->reclen += take;
			if (r->reclen == FCGI_HEADER_LEN) {
				load_begin_record(r);
				if (r->content + r->padding == 0)
					r->reclen = 0;
			}
		} else
			take = load_feed_content(r, p, n);
		p += take;
		n -= take;
	}
}

static const struct load_proto load_protos[] = {
	{ "fcgi", true, load_build_fcgi, load_feed_fcgi },
	{ "uwsgi", false, load_build_uwsgi, load_feed_cgi },
	{ "http", true, load_build_http, load_feed_http },
};

/* The answer has ended: was it whole, and as long as it should be? */
static void
load_resp_check(const struct load_resp *r)
{
	if (!r->in_body)
		errx(1, "the answer ended in its head: %zu bytes", r->headlen);
	if (r->length >= 0 && r->body != (size_t)r->length)
		errx(1, "Content-Length %lld, but %zu bytes", r->length,
		    r->body);
	if (r->body != L.ref.len)
		errx(1, "%zu bytes instead of %zu", r->body, L.ref.len);
}

/*
 * Connections.
 */

static unsigned int
load_hist_index(uint64_t ns)
{
	unsigned int exp;

	if (ns < 1 << LOAD_HIST_BITS)
		return ns;
	exp = 63 - __builtin_clzll(ns) - LOAD_HIST_BITS;
	return ((exp + 1) << LOAD_HIST_BITS) +
	    ((ns >> exp) & ((1 << LOAD_HIST_BITS) - 1));
}

/* The middle of a step. */
static uint64_t
load_hist_value(unsigned int i)
{
	unsigned int exp = i >> LOAD_HIST_BITS;
	uint64_t m = i & ((1 << LOAD_HIST_BITS) - 1);

	if (exp == 0)
		return m;
	m |= 1 << LOAD_HIST_BITS;
	return (m << (exp - 1)) + ((1ull << (exp - 1)) >> 1);
}

static void
load_watch(struct load_conn *c, int op, bool out)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | (out ? EPOLLOUT : 0),
		.data.ptr = c,
	};

	if (epoll_ctl(L.epfd, op, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
	c->armed_out = out;
}

/* Write what the socket takes; true once the request is out. */
static bool
load_write(struct load_conn *c)
{
	const struct load_buf *head = &L.head[c->variant];
	size_t total = head->len + L.tail.len;
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	while (c->sent < total) {
		msg.msg_iovlen = 0;
		if (c->sent < head->len)
			iov[msg.msg_iovlen++] = (struct iovec){
			    head->p + c->sent, head->len - c->sent };
		if (L.tail.len > 0) {
			size_t off = c->sent > head->len ?
			    c->sent - head->len : 0;

			iov[msg.msg_iovlen++] = (struct iovec){
			    L.tail.p + off, L.tail.len - off };
		}
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return false;
		/* A kept connection may have ended: reading will tell. */
		if (n == -1 && c->reused &&
		    (errno == EPIPE || errno == ECONNRESET))
			return true;
		if (n == -1)
			err(1, "send");
		c->sent += n;
	}
	return true;
}

/* Connect, if need be once somebody listens; a full queue is waited out. */
static int
load_connect(void)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 };
	int fd;

	for (;;) {
		fd = socket(L.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1)
			err(1, "socket");
		if (connect(fd, (struct sockaddr *)&L.addr, L.addrlen) == 0)
			return fd;
		if (load_now() >= L.wait_until)
			err(1, "connect");
		close(fd);
		nanosleep(&pause, NULL);
	}
}

/* Send the connection's request, over a new connection if it has none. */
static void
load_send(struct load_conn *c)
{
	bool fresh = c->fd == -1, out;

	if (fresh) {
		c->fd = load_connect();
		c->reused = false;
		L.connects++;
	}
	load_resp_init(&c->resp);
	c->sent = 0;
	out = !load_write(c);
	if (fresh)
		load_watch(c, EPOLL_CTL_ADD, out);
	else if (out != c->armed_out)
		load_watch(c, EPOLL_CTL_MOD, out);
}

/* Begin the next request, if there is one to begin. */
static void
load_next(struct load_conn *c, uint64_t now)
{
	if (L.requests == 0 || (L.deadline != 0 && now >= L.deadline)) {
		c->waiting = false;
		load_resp_init(&c->resp);
		L.busy--;
		return;
	}
	L.requests--;
	c->waiting = true;
	c->variant = L.next++ % LOAD_VARIANTS;
	c->begun = now;
	load_send(c);
}

static void
load_finish(struct load_conn *c)
{
	uint64_t now = load_now(), took = now - c->begun;

	load_resp_check(&c->resp);
	L.hist[load_hist_index(took)]++;
	if (took > L.max)
		L.max = took;
	L.done++;
	c->reused = true;
	load_next(c, now);
}

/* The server has closed the connection. */
static void
load_on_eof(struct load_conn *c)
{
	const struct load_resp *r = &c->resp;

	close(c->fd);
	c->fd = -1;
	if (!c->waiting)
		return;
	if (!r->begun && c->reused) {
		L.retries++;
		load_send(c);
		return;
	}
	if (r->framed && !r->complete)
		errx(1, "the connection ended in mid-answer, after %zu bytes "
		    "of body", r->body);
	load_finish(c);
}

static void
load_on_readable(struct load_conn *c, bool hup)
{
	ssize_t n;

	n = recv(c->fd, load_in, sizeof(load_in), MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1 && !(errno == ECONNRESET && c->reused && !c->resp.begun))
		err(1, "recv");
	if (n > 0 && !c->waiting)
		errx(1, "%zd bytes that nobody asked for", n);
	if (n > 0) {
		L.bytes += n;
		c->resp.begun = true;
		L.proto->feed(&c->resp, load_in, n);
	}
	/*
	 * The end was reported before this read, so a read that did not fill
	 * the buffer has met it: the read that would return 0 is saved.
	 */
	if (n <= 0 || (hup && (size_t)n < sizeof(load_in)))
		load_on_eof(c);
	else if (c->resp.complete && L.keep)
		load_finish(c);
}

static void
load_on_event(struct load_conn *c, uint32_t events)
{
	if (events & EPOLLOUT && load_write(c))
		load_watch(c, EPOLL_CTL_MOD, false);
	if (events & ~EPOLLOUT)
		load_on_readable(c, events & (EPOLLRDHUP | EPOLLHUP));
}

/* Run the requests over that many connections until all are answered. */
static void
load_run(unsigned int conns)
{
	struct epoll_event ev[LOAD_EVENTS];
	unsigned int i;
	int n, k;

	L.busy = conns;
	for (i = 0; i < conns; i++)
		load_next(&L.conn[i], load_now());
	while (L.busy > 0) {
		n = epoll_wait(L.epfd, ev, LOAD_EVENTS, LOAD_STALL_MS);
		if (n == -1)
			err(1, "epoll_wait");
		if (n == 0)
			errx(1, "no answer for %d s", LOAD_STALL_MS / 1000);
		for (k = 0; k < n; k++)
			load_on_event(ev[k].data.ptr, ev[k].events);
	}
}

/* Learn from one request what is right; it stays out of the figures. */
static void
load_probe(void)
{
	uint64_t requests = L.requests;

	L.learning = L.ref.len == 0;
	L.requests = 1;
	load_run(1);
	L.learning = false;
	L.requests = requests;
	L.done = L.bytes = L.connects = L.max = 0;
	memset(L.hist, 0, sizeof(L.hist));
}

/*
 * Command line and result.
 */

static void
load_parse_addr(const char *s)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&L.addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&L.addr;
	const char *colon;
	char host[64];

	if (strncmp(s, "unix:", 5) == 0) {
		un->sun_family = AF_UNIX;
		if (strlen(s + 5) >= sizeof(un->sun_path))
			errx(2, "%s: path too long", s);
		strcpy(un->sun_path, s + 5);
		L.addrlen = sizeof(*un);
		return;
	}
	colon = strrchr(s, ':');
	if (colon == NULL || (size_t)(colon - s) >= sizeof(host))
		errx(2, "%s: neither unix:PATH nor IP:PORT", s);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - s), s);
	in->sin_family = AF_INET;
	in->sin_port = htons(atoi(colon + 1));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		errx(2, "%s: not an IPv4 address", host);
	L.addrlen = sizeof(*in);
}

static const struct load_proto *
load_parse_proto(const char *s)
{
	size_t i;

	for (i = 0; i < nitems(load_protos); i++)
		if (strcmp(load_protos[i].name, s) == 0)
			return &load_protos[i];
	errx(2, "%s: no such protocol", s);
}

static double
load_percentile(double share)
{
	uint64_t want = L.done * share, seen = 0, at;
	unsigned int i;

	for (i = 0; i < LOAD_HIST_SIZE - 1; i++) {
		seen += L.hist[i];
		if (seen > want)
			break;
	}
	at = load_hist_value(i);
	return (at < L.max ? at : L.max) / 1e3;
}

/* first: when the probe was answered, on CLOCK_MONOTONIC. */
static void
load_report(uint64_t first, uint64_t elapsed)
{
	double seconds = (double)elapsed / LOAD_NSEC;

	printf("{\"first\": %.6f, \"requests\": %llu, \"seconds\": %.6f, "
	    "\"rps\": %.1f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
	    "\"p99_us\": %.1f, \"max_us\": %.1f, \"connects\": %llu, "
	    "\"retries\": %llu, \"bytes\": %llu, \"length\": %zu}\n",
	    (double)first / LOAD_NSEC, (unsigned long long)L.done, seconds,
	    seconds > 0 ? L.done / seconds : 0, load_percentile(0.5),
	    load_percentile(0.9), load_percentile(0.99), L.max / 1e3,
	    (unsigned long long)L.connects, (unsigned long long)L.retries,
	    (unsigned long long)L.bytes, L.ref.len);
}

static void
load_usage(void)
{
	fputs("usage: load [-ek] [-p fcgi|uwsgi|http] [-c connections]"
	    " [-n requests] [-t seconds]\n"
	    "            [-b body-bytes] [-l length] [-m start] [-w wait]"
	    " unix:PATH|IP:PORT\n"
	    "  -n, -t  end after so many requests, or seconds: one is needed\n"
	    "  -k  keep connections    -e  the answer is the request's body\n"
	    "  -b  POST this many bytes    -l, -m  length and first bytes of"
	    " the right answer\n"
	    "  -w  wait that many seconds for the server to listen\n", stderr);
	exit(2);
}

static void
load_raise_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "setrlimit");
}

static void
load_alloc(void)
{
	unsigned int i;

	L.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (L.epfd == -1)
		err(1, "epoll_create1");
	L.conn = calloc(L.conns, sizeof(*L.conn));
	if (L.conn == NULL)
		err(1, NULL);
	for (i = 0; i < L.conns; i++)
		L.conn[i].fd = -1;
}

static void
load_check_probe(const char *start, long long length)
{
	if (length >= 0 && L.ref.len != (size_t)length)
		errx(1, "the answer has %zu bytes, not %lld", L.ref.len,
		    length);
	if (start != NULL && (L.ref.len < strlen(start) ||
	    memcmp(L.ref.p, start, strlen(start)) != 0))
		errx(1, "the answer does not begin with \"%s\"", start);
}

int
main(int argc, char **argv)
{
	const char *start = NULL;
	long long length = -1;
	double seconds = 0;
	uint64_t first, from;
	bool echo = false;
	int ch;

	L.proto = &load_protos[0];
	L.requests = UINT64_MAX;
	while ((ch = getopt(argc, argv, "b:c:ekl:m:n:p:t:w:")) != -1) {
		switch (ch) {
		case 'b':
			L.body = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			L.conns = strtoul(optarg, NULL, 10);
			break;
		case 'e':
			echo = true;
			break;
		case 'k':
			L.keep = true;
			break;
		case 'l':
			length = atoll(optarg);
			break;
		case 'm':
			start = optarg;
			break;
		case 'n':
			L.requests = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			L.proto = load_parse_proto(optarg);
			break;
		case 't':
			seconds = atof(optarg);
			break;
		case 'w':
			L.wait_until = load_now() + atof(optarg) * LOAD_NSEC;
			break;
		default:
			load_usage();
		}
	}
	if (optind + 1 != argc || L.conns == 0 || (echo && L.body == 0) ||
	    (L.keep && !L.proto->can_keep) ||
	    (L.requests == UINT64_MAX && seconds == 0))
		load_usage();
	load_parse_addr(argv[optind]);
	load_raise_files();
	load_alloc();
	load_build(echo);
	load_probe();
	load_check_probe(start, length);
	first = from = load_now();
	if (seconds > 0)
		L.deadline = from + seconds * LOAD_NSEC;
	load_run(L.conns);
	load_report(first, load_now() - from);
	return 0;
}

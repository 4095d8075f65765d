/* SPDX-License-Identifier: MIT */
/* needs: proto/proto.c proto/fcgi.c proto/uwsgi.c src/req/resp.c src/req/resp_head.c src/req/req.c src/req/body.c src/req/params.c src/req/params_path.c src/req/params_shape.c src/base/str.c src/base/mem.c src/base/buf.c src/base/log.c src/base/err.c */
/*
 * Any response an application may ask for: lines of the input are its status,
 * headers and chunks. What leaves is framed, has exactly the lines that were
 * accepted, and no more body than was declared.
 */
#include <assert.h>
#include <fastcgi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "req/req.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct buf sent;

static enum io_result
sink(struct req *req UNUSED, struct iovec *v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (buf_add(&sent, v[i].iov_base, v[i].iov_len) == -1)
			abort();
	return IO_DONE;
}

static const struct req_io io = { .writev = sink };

/* The next line of the input, without its end. */
static struct str
line(struct str *in)
{
	const char *nl = in->len > 0 ? memchr(in->p, '\n', in->len) : NULL;
	struct str s = { in->p, nl != NULL ? (size_t)(nl - in->p) : in->len };

	in->p += nl != NULL ? s.len + 1 : s.len;
	in->len -= nl != NULL ? s.len + 1 : s.len;
	return s;
}

/* name: value. Returns how many lines the head has more. */
static unsigned
header(struct req *req, struct str s)
{
	const char *colon = s.len > 0 ? memchr(s.p, ':', s.len) : NULL;
	struct str name = s, value = { "", 0 };
	int64_t declared = req->resp.declared;
	const char *why = NULL;
	int rc;

	if (colon != NULL) {
		name.len = (size_t)(colon - s.p);
		value = (struct str){ colon + 1, s.len - name.len - 1 };
	}
	rc = resp_header(req, name, value, &why);
	assert(rc != -1 || why != NULL);
	return rc == 0 && !(req->resp.status == 204 &&
	    req->resp.declared != declared);
}

/* Join STDOUT records in place; they are whole, ours, and end once. */
static size_t
unframe(bool *ended)
{
	uint8_t *p = (uint8_t *)buf_head(&sent), *to = p;
	uint8_t *end = p + buf_len(&sent);
	size_t len;

	for (*ended = false; p < end; p += len) {
		assert(!*ended && end - p >= 8);
		assert(p[0] == 1 && p[2] == 1 && p[3] == 2 && p[6] == 0);
		len = (size_t)(p[4] << 8 | p[5]);
		*ended = p[1] == FCGI_END_REQUEST;
		assert(*ended || p[1] == FCGI_STDOUT);
		p += 8;
		assert((size_t)(end - p) >= len);
		if (!*ended) {
			memmove(to, p, len);
			to += len;
		}
	}
	return (size_t)(to - (uint8_t *)buf_head(&sent));
}

static void
check(const struct req *req, unsigned lines)
{
	const struct resp *r = &req->resp;
	bool ended = r->ended;
	size_t n = buf_len(&sent);
	const char *p, *head;

	if (req->proto == &fcgi_ops)
		n = unframe(&ended);
	assert(ended == r->ended);
	if (n == 0)
		return;
	head = buf_head(&sent);
	p = memmem(head, n, "\r\n\r\n", 4);
	assert(p != NULL);
	p += 4;
	assert((size_t)(head + n - p) == r->wire);
	assert(r->declared == -1 || r->bodyless ||
	    r->wire <= (uint64_t)r->declared);
	assert(!r->bodyless || r->wire == 0);
	for (; head < p; head++)
		lines -= *head == '\n';
	/* The status and the empty one; a 500 of our own has its own lines. */
	assert(lines == (unsigned)-2 || r->status == 500 || r->sse);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct req_conf conf = { .params_size = 4096,
		.params.count_max = 10 };
	static struct req req;
	struct str in = { (const char *)data, size }, s;
	unsigned lines = 0;
	const char *why;

	if (size < 2)
		return 0;
	log_set_level(LOG_CRIT_ + 1);
	buf_init(&sent, 64 << 20);
	req_init(&req, &conf);
	req.proto = data[0] & 1 ? &fcgi_ops : &uwsgi_ops;
	req.io = &io;
	req.id = 0x102;
	if (data[0] & 2)
		req.params.known[PARAM_REQUEST_METHOD] = STR("HEAD");
	if (data[0] & 4)
		req.params.known[PARAM_SERVER_SOFTWARE] = STR("nginx");
	in.p++;
	in.len--;
	if (resp_start(&req, line(&in), &why) == 0) {
		while ((s = line(&in)).len > 0)
			lines += header(&req, s);
		if (data[0] & 8)
			lines += req.resp.declared == -1 &&
			    resp_length(&req, in.len) == 0 &&
			    req.resp.declared != -1;
		while (in.len > 0) {
			s = line(&in);
			if ((data[0] & 16) == 0 ||
			    resp_buffer(&req, s.p, s.len) == -1)
				(void)!resp_write(&req, s.p, s.len);
		}
	}
	resp_end(&req);
	check(&req, lines);
	req_fini(&req);
	buf_fini(&sent);
	return 0;
}

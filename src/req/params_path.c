/* SPDX-License-Identifier: MIT */
/*
 * SCRIPT_NAME and PATH_INFO. Proxies cut the path between them in different
 * places, or send only one: the sum is taken, and cut where the application
 * is mounted. On bytes; nothing is decoded twice, no ".." or "//" resolved.
 */
#include <string.h>

#include "req/params_path.h"

/* Memory for joined paths; running out is noted once, at the end. */
struct path_memory {
	struct arena	*arena;
	bool		 out;
};

static struct str
path_join(struct path_memory *m, struct str a, struct str b)
{
	char *p;

	if (a.len == 0)
		return b;
	if (b.len == 0)
		return a;
	if ((p = arena_alloc(m->arena, a.len + b.len)) == NULL) {
		m->out = true;
		return STR("");
	}
	memcpy(p, a.p, a.len);
	memcpy(p + a.len, b.p, b.len);
	return (struct str){ p, a.len + b.len };
}

/* "/" in front where it lacks. */
static struct str
path_root(struct path_memory *m, struct str s)
{
	return s.len > 0 && s.p[0] == '/' ? s : path_join(m, STR("/"), s);
}

static struct str
path_trim(struct str s)
{
	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	return s;
}

/* p is m or lies below it; m has no slash at its end. */
static bool
path_below(struct str p, struct str m)
{
	return str_starts(p, m) && (p.len == m.len || p.p[m.len] == '/');
}

static bool
path_is_scheme(struct str s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		char c = s.p[i] | 0x20;

		if (!(c >= 'a' && c <= 'z') &&
		    (i == 0 || memchr("0123456789+-.", s.p[i], 13) == NULL))
			return false;
	}
	return s.len > 0;
}

struct str
path_of_uri(struct str uri)
{
	const char *end, *p;

	if (uri.len == 0 || (p = memchr(uri.p, ':', uri.len)) == NULL)
		return uri;
	end = uri.p + uri.len;
	if (end - p < 3 || p[1] != '/' || p[2] != '/' ||
	    !path_is_scheme((struct str){ uri.p, (size_t)(p - uri.p) }))
		return uri;
	for (p += 3; p < end && memchr("/?#", *p, 3) == NULL; p++)
		;
	return (struct str){ p, (size_t)(end - p) };
}

static int
path_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded once; a bad % stays. */
static struct str
path_decode(struct path_memory *m, struct str s)
{
	size_t i, n = 0;
	char *p;

	if (s.len == 0 || memchr(s.p, '%', s.len) == NULL)
		return s;
	if ((p = arena_alloc(m->arena, s.len)) == NULL) {
		m->out = true;
		return STR("");
	}
	for (i = 0; i < s.len; i++) {
		p[n++] = s.p[i];
		if (s.p[i] != '%' || s.len - i < 3 ||
		    path_hex(s.p[i + 1]) == -1 || path_hex(s.p[i + 2]) == -1)
			continue;
		p[n - 1] = (char)(path_hex(s.p[i + 1]) << 4 |
		    path_hex(s.p[i + 2]));
		i += 2;
	}
	return (struct str){ p, n };
}

/* The decoded path of the REQUEST_URI, empty if there is none. */
static struct str
path_up(const struct params *p, struct path_memory *m)
{
	struct str s = path_of_uri(p->known[PARAM_REQUEST_URI]);
	size_t i;

	for (i = 0; i < s.len && s.p[i] != '?' && s.p[i] != '#'; i++)
		;
	s.len = i;
	return path_decode(m, s);
}

/* SCRIPT_NAME was sent, but PATH_INFO still begins with it. */
static bool
path_is_unstripped(const struct params *p, struct str s, struct str pi,
    struct path_memory *m)
{
	struct str up;

	if (s.len == 0 || !path_below(pi, s))
		return false;
	up = path_up(p, m);
	return up.len == 0 || !path_below(up, path_join(m, s, s));
}

/* The whole decoded path, and the part of it that the proxy took off. */
static struct str
path_full(const struct params *p, bool from_uri, struct path_memory *m,
    struct str *prefix)
{
	struct str sn = p->known[PARAM_SCRIPT_NAME];
	struct str pi = p->known[PARAM_PATH_INFO], up;

	*prefix = STR("");
	if (from_uri || (sn.len == 0 && pi.len == 0)) {
		up = path_up(p, m);
		return up.len > 0 ? up : path_join(m, sn, pi);
	}
	if (pi.len == 0)
		return sn;
	pi = path_root(m, pi);
	sn = path_trim(sn);
	if (sn.len == 0)
		return pi;
	*prefix = sn = path_root(m, sn);
	return path_is_unstripped(p, sn, pi, m) ? pi : path_join(m, sn, pi);
}

/* The longest mount that the path lies below, NULL if there is none. */
static const char *
path_mount(const char *const *mounts, struct str full, struct str *prefix)
{
	const char *found = NULL;
	struct str m;
	size_t len = 0;

	for (; mounts != NULL && *mounts != NULL; mounts++) {
		m = path_trim((struct str){ *mounts, strlen(*mounts) });
		if (!path_below(full, m) || (found != NULL && m.len < len))
			continue;
		found = *mounts;
		len = m.len;
		*prefix = m;
	}
	return found;
}

/* The application lives under root whether or not the proxy sends that. */
static void
path_under(struct str root, struct str *full, struct str *prefix,
    struct path_memory *m)
{
	if (root.len == 0)
		return;
	if (!path_below(*full, root)) {
		*full = path_join(m, root, *full);
		*prefix = path_join(m, root, *prefix);
	} else if (prefix->len < root.len)
		*prefix = root;
}

int
path_compute(struct params *p, const struct params_conf *conf,
    struct arena *arena, const char **why)
{
	struct path_memory m = { arena, false };
	struct str full, prefix;

	full = path_root(&m, path_full(p, conf->from_uri, &m, &prefix));
	p->mount = path_mount(conf->mounts, full, &prefix);
	path_under(conf->root_path, &full, &prefix, &m);
	if (m.out) {
		*why = "no memory for the parameters";
		return 503;
	}
	/* Values as sent have none; "%00" in the REQUEST_URI does. */
	if (memchr(full.p, '\0', full.len) != NULL) {
		*why = "NUL in the path of the REQUEST_URI";
		return 400;
	}
	p->script_name = prefix;
	p->path_info.p = full.p + prefix.len;
	p->path_info.len = full.len - prefix.len;
	return 0;
}

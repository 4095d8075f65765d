/* SPDX-License-Identifier: MIT */
/*
 * From parameters to what an environ is made of. Every case runs over both
 * encodings, and three times, so that a remembered sequence of names says what
 * a new one said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "req/params.h"

#define BLOCK_MAX	(4 << 20)
#define ALL		{ NULL, NULL }

struct pair {
	const char	*name, *value;
};

static struct {
	struct params_conf conf;
	struct params_peer peer;
	struct arena	 arena;
	char		*block;
	size_t		 len;
	const char	*why;
	struct params	 p;
} t;

static void
put(const void *bytes, size_t n)
{
	assert_true(n <= BLOCK_MAX - t.len);
	memcpy(t.block + t.len, bytes, n);
	t.len += n;
}

static void
put_length(const struct proto_ops *ops, size_t n)
{
	uint8_t b[4] = { (uint8_t)(n & 0xff), (uint8_t)(n >> 8) };

	if (ops == &uwsgi_ops) {
		put(b, 2);
		return;
	}
	b[0] = (uint8_t)(n >> 24 | 0x80);
	b[1] = (uint8_t)(n >> 16);
	b[2] = (uint8_t)(n >> 8);
	b[3] = (uint8_t)n;
	put(n < 128 ? b + 3 : b, n < 128 ? 1 : 4);
}

static void
put_bytes(const struct proto_ops *ops, struct str name, struct str value)
{
	put_length(ops, name.len);
	if (ops == &uwsgi_ops) {
		put(name.p, name.len);
		put_length(ops, value.len);
	} else {
		put_length(ops, value.len);
		put(name.p, name.len);
	}
	put(value.p, value.len);
}

static struct str
str(const char *s)
{
	return (struct str){ s, strlen(s) };
}

/* Every request has a method, unless the case sends one. */
static void
encode(const struct proto_ops *ops, const struct pair *pairs)
{
	t.len = 0;
	if (pairs[0].name == NULL ||
	    strcmp(pairs[0].name, "REQUEST_METHOD") != 0)
		put_bytes(ops, STR("REQUEST_METHOD"), STR("GET"));
	for (; pairs->name != NULL; pairs++)
		put_bytes(ops, str(pairs->name), str(pairs->value));
}

static int
parse(const struct proto_ops *ops)
{
	params_fini(&t.p);
	arena_reset(&t.arena);
	return params_parse(&t.p, &t.conf, &t.peer, ops,
	    (struct proto_str){ t.block, t.len }, &t.arena, &t.why);
}

static void
same(struct str is, const char *want)
{
	if (is.len == strlen(want) && memcmp(is.p, want, is.len) == 0)
		return;
	print_error("got \"%.*s\", want \"%s\"\n", (int)is.len, is.p, want);
	fail();
}

/* Run check() on what the pairs become, in every way there is. */
static void
each(const struct pair *pairs, void (*check)(int status, const void *),
    const void *want)
{
	size_t i, n;

	for (i = 0; protos[i] != NULL; i++)
		for (n = 0; n < 3; n++) {
			encode(protos[i], pairs);
			check(parse(protos[i]), want);
		}
}

static void
check_status(int status, const void *want)
{
	assert_int_equal(status, *(const int *)want);
}

static void
status_is(int want, const struct pair *pairs)
{
	each(pairs, check_status, &want);
}

static int
setup(void **state)
{
	(void)state;
	memset(&t.conf, 0, sizeof(t.conf));
	memset(&t.peer, 0, sizeof(t.peer));
	t.conf.count_max = 1000;
	t.conf.remote_user = true;
	t.conf.root_path = STR("");
	t.conf.scheme = STR("");
	return 0;
}

static int
setup_group(void **state)
{
	(void)state;
	t.block = malloc(BLOCK_MAX);
	arena_init(&t.arena, 16384, 16 << 20);
	return t.block == NULL ? -1 : 0;
}

static int
teardown_group(void **state)
{
	(void)state;
	params_fini(&t.p);
	arena_fini(&t.arena);
	free(t.block);
	return 0;
}

/* SCRIPT_NAME and PATH_INFO */

struct path_case {
	const char	*uri, *sn, *pi;		/* NULL: not sent */
	const char	*script_name, *path_info;
};

static void
check_path(int status, const void *want)
{
	const struct path_case *c = want;

	assert_int_equal(status, 0);
	same(t.p.script_name, c->script_name);
	same(t.p.path_info, c->path_info);
}

static void
path_is(const struct path_case *c)
{
	struct pair pairs[4] = { { NULL, NULL } };
	size_t n = 0;

	if (c->uri != NULL)
		pairs[n++] = (struct pair){ "REQUEST_URI", c->uri };
	if (c->sn != NULL)
		pairs[n++] = (struct pair){ "SCRIPT_NAME", c->sn };
	if (c->pi != NULL)
		pairs[n++] = (struct pair){ "PATH_INFO", c->pi };
	each(pairs, check_path, c);
}

static const struct path_case paths[] = {
	/* uri, SCRIPT_NAME, PATH_INFO -> script_name, path_info */
	{ NULL, NULL, NULL,			"", "/" },
	{ NULL, "", "",				"", "/" },
	{ NULL, NULL, "/x",			"", "/x" },
	{ NULL, "/x/y", NULL,			"", "/x/y" },
	{ NULL, "/d/", NULL,			"", "/d/" },
	{ NULL, "/x", "/y",			"/x", "/y" },
	{ NULL, "/", "",			"", "/" },
	{ NULL, "/", "app",			"", "/app" },
	{ NULL, "/", "//x",			"", "//x" },
	{ NULL, "//", "",			"", "//" },
	{ NULL, "//", "app",			"", "/app" },
	{ NULL, "app", "",			"", "/app" },
	{ NULL, "app", "app",			"/app", "" },
	{ NULL, "app", "//x",			"/app", "//x" },
	{ NULL, "app", "/app",			"/app", "" },
	{ NULL, "app", "/application",		"/app", "/application" },
	{ NULL, "/app/", "",			"", "/app/" },
	{ NULL, "/app/", "app",			"/app", "" },
	{ NULL, "/app/", "/application",	"/app", "/application" },
	{ NULL, "/app///", "/",			"/app", "/" },
	{ NULL, "/app", "/app/x",		"/app", "/x" },
	{ NULL, NULL, "/a%2fb%2e%2e",		"", "/a%2fb%2e%2e" },
	{ NULL, NULL, "/../a/./b//c",		"", "/../a/./b//c" },
	{ NULL, NULL, "/a b\r\nc",		"", "/a b\r\nc" },
	{ NULL, NULL, "*",			"", "/*" },
	{ "/us/x", "/us", "/us/x",		"/us", "/x" },
	{ "/us/us/x", "/us", "/us/x",		"/us", "/us/x" },
	{ "/us/us", "/us", "/us",		"/us", "/us" },
	{ "/%75s/us/x?/", "/us", "/us/x",	"/us", "/us/x" },
	{ "/us/usx", "/us", "/us/x",		"/us", "/x" },
	{ "", "/us", "/us/x",			"/us", "/x" },
	{ "/a%20b/%63?q", "", "",		"", "/a b/c" },
	{ "/a%252Fb", "", "",			"", "/a%2Fb" },
	{ "/bad%zz%4", "", "",			"", "/bad%zz%4" },
	{ "/%", "", "",				"", "/%" },
	{ "/%4", "", "",			"", "/%4" },
	{ "/%41", "", "",			"", "/A" },
	{ "http://host/p/q?x", "", "",		"", "/p/q" },
	{ "HTTP://u@h:80?x", "", "",		"", "/" },
	{ "http://host", "", "",		"", "/" },
	{ "http:/x", "", "",			"", "/http:/x" },
	{ "1http://host/x", "", "",		"", "/1http://host/x" },
	{ "/x:y://z", "", "",			"", "/x:y://z" },
	{ "://x", "", "",			"", "/://x" },
	{ "//evil/x", "", "",			"", "//evil/x" },
	{ "/x#frag?y", "", "",			"", "/x" },
	{ "*", "", "",				"", "/*" },
	{ "?q", "", "",				"", "/" },
	{ "/caf%C3%A9", "", "",			"", "/caf\xc3\xa9" },
};

static void
paths_are_cut(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < nitems(paths); i++)
		path_is(&paths[i]);
}

static void
paths_come_from_the_uri_where_that_is_set(void **state)
{
	(void)state;
	t.conf.from_uri = true;
	path_is(&(struct path_case){ "/a/../b//c%20d?x", "/b/c d", "",
	    "", "/a/../b//c d" });
	path_is(&(struct path_case){ NULL, "/b", "/c", "", "/b/c" });
}

/* PROTOCOLS §4 behind a mount: the same answer whoever asks. */
static void
mounts_are_found(void **state)
{
	static const char *const mounts[] = { "/", "/f/", "/f/deep", NULL };
	static const struct path_case cases[] = {
		{ NULL, "/f/x", NULL,		"/f", "/x" },
		{ NULL, NULL, "/f/x",		"/f", "/x" },
		{ NULL, "/f", "/x",		"/f", "/x" },
		{ NULL, "/f/x", "/y",		"/f", "/x/y" },
		{ NULL, "/f", "/f/x",		"/f", "/x" },
		{ NULL, NULL, "/f",		"/f", "" },
		{ NULL, NULL, "/f/deep/x",	"/f/deep", "/x" },
		{ NULL, NULL, "/f/deeper",	"/f", "/deeper" },
		{ NULL, NULL, "/fox",		"", "/fox" },
	};
	size_t i;

	(void)state;
	t.conf.mounts = mounts;
	for (i = 0; i < nitems(cases); i++)
		path_is(&cases[i]);
	assert_string_equal(t.p.mount, "/");
	path_is(&cases[0]);
	assert_string_equal(t.p.mount, "/f/");
	t.conf.mounts = mounts + 1;
	path_is(&(struct path_case){ NULL, "/g", "/x", "/g", "/x" });
	assert_null(t.p.mount);
}

static void
root_path_is_the_outermost_prefix(void **state)
{
	static const struct path_case cases[] = {
		{ NULL, NULL, "/shop/cart",	"/shop", "/cart" },
		{ NULL, NULL, "/shop",		"/shop", "" },
		{ NULL, NULL, "/shop/",		"/shop", "/" },
		{ NULL, NULL, "/cart",		"/shop", "/cart" },
		{ NULL, NULL, "/shopping",	"/shop", "/shopping" },
		{ NULL, "/a", "/x",		"/shop/a", "/x" },
		{ NULL, "/shop/a", "/x",	"/shop/a", "/x" },
	};
	size_t i;

	(void)state;
	t.conf.root_path = STR("/shop");
	for (i = 0; i < nitems(cases); i++)
		path_is(&cases[i]);
}

/* Method, length, query */

static void
methods_are_tokens(void **state)
{
	static const char *const good[] = { "GET", "get", "M-SEARCH",
		"!#$%&'*+-.^_`|~09AZaz" };
	static const char *const bad[] = { "", "GE T", "GET\r\n", "G\xe9T",
		"GET/", "\x7f", "(", "a:b" };
	char long_one[66] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(good); i++)
		status_is(0, (struct pair[]){ { "REQUEST_METHOD", good[i] },
		    ALL });
	for (i = 0; i < nitems(bad); i++)
		status_is(400, (struct pair[]){ { "REQUEST_METHOD", bad[i] },
		    ALL });
	memset(long_one, 'X', 65);
	status_is(400, (struct pair[]){ { "REQUEST_METHOD", long_one }, ALL });
	status_is(0, (struct pair[]){ { "REQUEST_METHOD", long_one + 1 },
	    ALL });
	t.len = 0;
	put_bytes(&uwsgi_ops, STR("A"), STR("b"));
	assert_int_equal(parse(&uwsgi_ops), 400);
	t.len = 0;
	assert_int_equal(parse(&fcgi_ops), 400);
}

struct length_case {
	const char	*text;
	int		 status;
	int64_t		 n;
};

static void
check_length(int status, const void *want)
{
	const struct length_case *c = want;

	assert_int_equal(status, c->status);
	if (status == 0)
		assert_true(t.p.content_length == c->n);
}

static void
lengths_are_digits(void **state)
{
	static const struct length_case cases[] = {
		{ "", 0, -1 }, { "-1", 0, -1 }, { "-99999", 0, -1 },
		{ "0", 0, 0 }, { "00005", 0, 5 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", 400, 0 },
		{ "18446744073709551621", 400, 0 }, { " 5", 400, 0 },
		{ "5 ", 400, 0 }, { "+5", 400, 0 }, { "5,5", 400, 0 },
		{ "5abc", 400, 0 }, { "0x10", 400, 0 }, { "1e2", 400, 0 },
		{ "-", 400, 0 }, { "--1", 400, 0 }, { "-1x", 400, 0 },
	};
	char digits[401] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++)
		each((struct pair[]){ { "CONTENT_LENGTH", cases[i].text },
		    ALL }, check_length, &cases[i]);
	memset(digits, '9', 400);
	status_is(400, (struct pair[]){ { "CONTENT_LENGTH", digits }, ALL });
}

static void
lengths_may_repeat_but_not_differ(void **state)
{
	const struct length_case five = { NULL, 0, 5 };

	(void)state;
	each((struct pair[]){ { "CONTENT_LENGTH", "5" },
	    { "CONTENT_LENGTH", "05" }, ALL }, check_length, &five);
	each((struct pair[]){ { "CONTENT_LENGTH", "5" },
	    { "CONTENT_LENGTH", "" }, { "CONTENT_LENGTH", "-1" }, ALL },
	    check_length, &five);
	each((struct pair[]){ { "CONTENT_LENGTH", "" },
	    { "CONTENT_LENGTH", "5" }, { "HTTP_CONTENT_LENGTH", "999" }, ALL },
	    check_length, &five);
	status_is(400, (struct pair[]){ { "CONTENT_LENGTH", "5" },
	    { "CONTENT_LENGTH", "6" }, ALL });
}

static void
check_query(int status, const void *want)
{
	assert_int_equal(status, 0);
	same(t.p.query_string, want);
}

static void
query_comes_from_the_uri_if_absent(void **state)
{
	(void)state;
	each((struct pair[]){ ALL }, check_query, "");
	each((struct pair[]){ { "REQUEST_URI", "/a?x=1?y" }, ALL },
	    check_query, "x=1?y");
	each((struct pair[]){ { "REQUEST_URI", "/a?" }, ALL }, check_query, "");
	each((struct pair[]){ { "REQUEST_URI", "/a?x" },
	    { "QUERY_STRING", "" }, ALL }, check_query, "");
	each((struct pair[]){ { "REQUEST_URI", "/a?x" },
	    { "QUERY_STRING", "y" }, ALL }, check_query, "y");
}

/* Scheme and server */

struct server_case {
	const char	*scheme, *name, *port, *protocol;
};

static void
check_server(int status, const void *want)
{
	const struct server_case *c = want;

	assert_int_equal(status, 0);
	same(t.p.scheme, c->scheme);
	same(t.p.server_name, c->name);
	same(t.p.server_port, c->port);
	same(t.p.server_protocol, c->protocol);
}

static void
scheme_is(const char *want, const struct pair *pairs)
{
	struct server_case c = { want, "localhost",
		strcmp(want, "https") == 0 ? "443" : "80", "HTTP/1.1" };

	each(pairs, check_server, &c);
}

static void
scheme_is_found(void **state)
{
	static const char *const yes[] = { "on", "ON", "1", "true", "https" };
	static const char *const no[] = { "off", "0", "", "yes", "onn" };
	size_t i;

	(void)state;
	scheme_is("http", (struct pair[]){ ALL });
	for (i = 0; i < nitems(yes); i++)
		scheme_is("https", (struct pair[]){ { "HTTPS", yes[i] }, ALL });
	for (i = 0; i < nitems(no); i++)
		scheme_is("http", (struct pair[]){ { "HTTPS", no[i] }, ALL });
	scheme_is("https", (struct pair[]){ { "HTTPS", "off" },
	    { "REQUEST_SCHEME", "https" }, ALL });
	scheme_is("http", (struct pair[]){ { "REQUEST_SCHEME", "HTTPS" },
	    ALL });
	scheme_is("http", (struct pair[]){ { "REQUEST_SCHEME", "http" },
	    { "UWSGI_SCHEME", "https" }, ALL });
	scheme_is("https", (struct pair[]){ { "REQUEST_SCHEME", "ftp" },
	    { "UWSGI_SCHEME", "https" }, ALL });
	t.conf.scheme = STR("https");
	scheme_is("https", (struct pair[]){ { "REQUEST_SCHEME", "http" },
	    ALL });
}

/* C3 */
static void
forwarded_scheme_needs_trust_and_one_value(void **state)
{
#define XFP	"HTTP_X_FORWARDED_PROTO"
	(void)state;
	scheme_is("http", (struct pair[]){ { XFP, "https" }, ALL });
	t.peer.trusted = true;
	scheme_is("https", (struct pair[]){ { XFP, "https" }, ALL });
	scheme_is("http", (struct pair[]){ { XFP, "https, http" }, ALL });
	scheme_is("http", (struct pair[]){ { XFP, "http" }, { XFP, "https" },
	    ALL });
	scheme_is("http", (struct pair[]){ { XFP, "javascript" }, ALL });
}

static void
name_is(const char *want, const char *sent, const char *host)
{
	struct server_case c = { "http", want, "80", "HTTP/1.1" };

	each((struct pair[]){ { "SERVER_NAME", sent }, { "HTTP_HOST", host },
	    ALL }, check_server, &c);
}

/* C6 */
static void
server_name_is_found(void **state)
{
	(void)state;
	name_is("h", "h:80", "");
	name_is("h", "h", "other");
	name_is("[::1]", "[::1]:80", "");
	name_is("[::1]", "[::1]", "");
	name_is("::1", "::1", "");
	name_is("from.host", "", "from.host:8080");
	name_is("from.host", ":80", "from.host");
	name_is("[::2]", "", "[::2]:80");
	name_is("localhost", "", "");
	t.peer.listener = "unix:/run/x:80";
	name_is("localhost", "", "");
	t.peer.listener = "192.0.2.1:9000";
	name_is("192.0.2.1", "", "");
	t.peer.listener = "[2001:db8::1]:9000";
	name_is("[2001:db8::1]", "", "");
}

static void
port_is(const char *want, const char *sent)
{
	struct server_case c = { "http", "localhost", want, "HTTP/2.0" };

	each((struct pair[]){ { "SERVER_PORT", sent },
	    { "SERVER_PROTOCOL", "HTTP/2.0" }, ALL }, check_server, &c);
}

static void
server_port_is_a_port(void **state)
{
	(void)state;
	port_is("8080", "8080");
	port_is("65535", "65535");
	port_is("1", "1");
	port_is("80", "");
	port_is("80", "0");
	port_is("80", "abc");
	port_is("80", "65536");
	port_is("80", "-1");
	port_is("80", "0000080");
	port_is("80", "99999999999");
}

/* What is kept */

/* "NAME=value;" of what goes into the environ, a list as "NAME=a|b;". */
static void
check_kept(int status, const void *want)
{
	const struct param *v = t.p.v;
	char out[1024];
	size_t n = 0;
	uint16_t i, j;

	assert_int_equal(status, 0);
	out[0] = '\0';
	for (i = 1; i < t.p.n; i++) {
		if (!v[i].is.keep || v[i].is.id == PARAM_REQUEST_METHOD)
			continue;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s=%.*s",
		    (int)v[i].name.len, v[i].name.p,
		    (int)v[i].value.len, v[i].value.p);
		for (j = v[i].is.more; j != 0; j = v[j].is.more)
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "|%.*s", (int)v[j].value.len, v[j].value.p);
		n += (size_t)snprintf(out + n, sizeof(out) - n, ";");
	}
	assert_string_equal(out, want);
}

static void
kept_are(const char *want, const struct pair *pairs)
{
	each(pairs, check_kept, want);
}

/* C1, C2, F18, U10 */
static void
parameters_are_kept_joined_or_dropped(void **state)
{
	(void)state;
	kept_are("HTTP_COOKIE=a|b|c;HTTP_X=1||3;", (struct pair[]){
	    { "HTTP_COOKIE", "a" }, { "HTTP_X", "1" }, { "HTTP_COOKIE", "b" },
	    { "HTTP_X", "" }, { "HTTP_COOKIE", "c" }, { "HTTP_X", "3" }, ALL });
	kept_are("HTTP_HOST=last;X=3;HTTP_REFERER=r;", (struct pair[]){
	    { "HTTP_HOST", "first" }, { "X", "1" }, { "X", "2" },
	    { "HTTP_HOST", "last" }, { "X", "3" }, { "HTTP_REFERER", "q" },
	    { "HTTP_REFERER", "r" }, ALL });
	kept_are("", (struct pair[]){ { "HTTP_PROXY", "x" },
	    { "HTTP_CONTENT_LENGTH", "x" }, { "HTTP_CONTENT_TYPE", "x" },
	    { "HTTP_TRANSFER_ENCODING", "x" }, { "HTTP_TE", "x" },
	    { "HTTP_TRAILER", "x" }, { "HTTP_KEEP_ALIVE", "x" },
	    { "HTTP_PROXY_CONNECTION", "x" }, { "HTTP_EXPECT", "x" },
	    { "HTTP_CONNECTION", "x" }, { "HTTP_UPGRADE", "x" },
	    { "wsgi.input", "x" }, { "asgi.x", "x" }, { "saola.y", "x" },
	    { "CONTENT_TYPE", "" }, ALL });
	kept_are("CONTENT_TYPE=a/b;wsgix=1;lower=2;N\xe9=\xff;E=;HTTP_=3;",
	    (struct pair[]){ { "CONTENT_TYPE", "a/b" }, { "wsgix", "1" },
	    { "lower", "2" }, { "N\xe9", "\xff" }, { "E", "" },
	    { "HTTP_", "3" }, ALL });
}

static void
remote_user_may_be_dropped(void **state)
{
	const struct pair pairs[] = { { "REMOTE_USER", "joe" },
	    { "AUTH_TYPE", "Basic" }, { "REMOTE_ADDR", "::1" }, ALL };

	(void)state;
	kept_are("REMOTE_USER=joe;AUTH_TYPE=Basic;REMOTE_ADDR=::1;", pairs);
	t.conf.remote_user = false;
	kept_are("REMOTE_ADDR=::1;", pairs);
	assert_null(t.p.known[PARAM_REMOTE_USER].p);
}

static void
nameless_pairs_are_dropped(void **state)
{
	(void)state;
	t.len = 0;
	put_bytes(&fcgi_ops, STR("REQUEST_METHOD"), STR("GET"));
	put_bytes(&fcgi_ops, STR(""), STR("a\0\r\n"));
	put_bytes(&fcgi_ops, STR(""), STR(""));
	check_kept(parse(&fcgi_ops), "");
}

/* F19 */
static void
bad_bytes_are_refused(void **state)
{
	static const struct {
		struct str	name, value;
		int		status;
	} cases[] = {
		{ STR("X\0Y"), STR("v"), 400 }, { STR("X=Y"), STR("v"), 400 },
		{ STR("X\r"), STR("v"), 400 }, { STR("\n"), STR("v"), 400 },
		{ STR("X Y"), STR("v"), 400 }, { STR("X\x7f"), STR("v"), 400 },
		{ STR("X"), STR("a\0"), 400 }, { STR("X"), STR("\0"), 400 },
		{ STR("X"), STR("12345678\0"), 400 },
		{ STR("X"), STR("1234567\0"), 400 },
		{ STR("wsgi.x"), STR("a\0"), 400 },
		{ STR("HTTP_X"), STR("a\rb"), 400 },
		{ STR("HTTP_X"), STR("a\nb"), 400 },
		{ STR("HTTP_X"), STR("12345678901234\n"), 400 },
		{ STR("HTTP_X"), STR("a\tb\x1f\x7f\x80\xff"), 0 },
		{ STR("X"), STR("a\r\nb"), 0 }, { STR("x\x80"), STR(""), 0 },
	};
	size_t i, j, n;

	(void)state;
	for (i = 0; i < nitems(cases); i++)
		for (j = 0; protos[j] != NULL; j++)
			for (n = 0; n < 3; n++) {
				encode(protos[j], (struct pair[]){ ALL });
				put_bytes(protos[j], cases[i].name,
				    cases[i].value);
				assert_int_equal(parse(protos[j]),
				    cases[i].status);
			}
	status_is(400, (struct pair[]){ { "REQUEST_URI", "/a%00b" }, ALL });
	status_is(0, (struct pair[]){ { "REQUEST_URI", "/a%0d%0ab" }, ALL });
}

static void
cut_pairs_are_malformed(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; protos[i] != NULL; i++) {
		encode(protos[i], (struct pair[]){ { "A", "b" }, ALL });
		len = t.len;
		/* "" and the first pair alone are whole. */
		for (t.len = 1; t.len < len; t.len++)
			if (parse(protos[i]) == 0)
				assert_int_equal(t.p.n, 2);
			else
				assert_string_equal(t.why,
				    "malformed parameters");
	}
}

static void
websockets_are_noticed(void **state)
{
	(void)state;
	status_is(0, (struct pair[]){ { "HTTP_UPGRADE", "WebSocket" },
	    { "HTTP_CONNECTION", "keep-alive,  Upgrade" }, ALL });
	assert_true(t.p.websocket);
	status_is(0, (struct pair[]){ { "HTTP_UPGRADE", "h2c" },
	    { "HTTP_CONNECTION", "Upgrade" }, ALL });
	assert_false(t.p.websocket);
	status_is(0, (struct pair[]){ { "HTTP_UPGRADE", "websocket" },
	    { "HTTP_CONNECTION", "upgrades, close" }, ALL });
	assert_false(t.p.websocket);
}

/* Limits */

static void
limits_are_named(void **state)
{
	(void)state;
	t.conf.line_max = 4;
	status_is(0, (struct pair[]){ { "REQUEST_URI", "/123" }, ALL });
	status_is(414, (struct pair[]){ { "REQUEST_URI", "/1234" }, ALL });
	assert_string_equal(t.why, "limit_request_line");
	t.conf.field_size_max = 3;
	status_is(0, (struct pair[]){ { "HTTP_A", "123" }, { "B", "1234" },
	    ALL });
	status_is(431, (struct pair[]){ { "HTTP_A", "1234" }, ALL });
	assert_string_equal(t.why, "limit_request_field_size");
	t.conf.fields_max = 2;
	status_is(0, (struct pair[]){ { "HTTP_A", "" }, { "B", "" },
	    { "HTTP_C", "" }, ALL });
	status_is(431, (struct pair[]){ { "HTTP_A", "" }, { "HTTP_B", "" },
	    { "HTTP_C", "" }, ALL });
	assert_string_equal(t.why, "limit_request_fields");
	t.conf.count_max = 2;
	status_is(0, (struct pair[]){ { "A", "" }, ALL });
	status_is(431, (struct pair[]){ { "A", "" }, { "B", "" }, ALL });
	assert_string_equal(t.why, "params_count");
}

/* n pairs whose names are the prefix and a number below distinct. */
static void
encode_many(const struct proto_ops *ops, unsigned n, const char *prefix,
    unsigned distinct)
{
	char name[64];
	unsigned i;

	encode(ops, (struct pair[]){ ALL });
	for (i = 1; i < n; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i % distinct);
		put_bytes(ops, str(name), STR(""));
	}
}

static void
as_many_as_the_index_can_hold(void **state)
{
	(void)state;
	t.conf.count_max = UINT16_MAX;
	encode_many(&uwsgi_ops, UINT16_MAX - 1, "P", UINT16_MAX);
	assert_int_equal(parse(&uwsgi_ops), 0);
	assert_int_equal(t.p.n, UINT16_MAX);
	encode_many(&uwsgi_ops, UINT16_MAX, "P", UINT16_MAX);
	assert_int_equal(parse(&uwsgi_ops), 431);
}

static int64_t
time_of(unsigned n, unsigned distinct)
{
	int64_t start, best = INT64_MAX;
	int i;

	encode_many(&fcgi_ops, n, "HTTP_", distinct);
	for (i = 0; i < 5; i++) {
		start = clock_ns();
		assert_int_equal(parse(&fcgi_ops), 0);
		start = clock_ns() - start;
		best = start < best ? start : best;
	}
	return best;
}

/* Sixteen times the names: far less than 256 times the time. */
static void
time_is_linear_in_the_names(void **state)
{
	(void)state;
	t.conf.count_max = UINT16_MAX;
	assert_true(time_of(48000, 48000) < 80 * time_of(3000, 3000));
	assert_true(time_of(48000, 1) < 80 * time_of(3000, 1));
}

static void
no_memory_is_503(void **state)
{
	struct arena whole = t.arena;
	size_t max;

	(void)state;
	encode(&fcgi_ops, (struct pair[]){ { "SCRIPT_NAME", "/a" },
	    { "PATH_INFO", "/b" }, { "REQUEST_URI", "/%41" }, ALL });
	for (max = 0; max < 4096; max += 16) {
		arena_init(&t.arena, 0, max);
		if (parse(&fcgi_ops) == 0)
			break;
		assert_string_equal(t.why, "no memory for the parameters");
		arena_fini(&t.arena);
	}
	assert_true(max > 0 && max < 4096);
	arena_fini(&t.arena);
	t.arena = whole;
}

/* The cache of shapes */

static struct param_shape *
shape_of(const struct pair *pairs)
{
	encode(&fcgi_ops, pairs);
	assert_int_equal(parse(&fcgi_ops), 0);
	return t.p.shape;
}

static void
shapes_are_shared_by_the_same_names(void **state)
{
	const struct pair a[] = { { "NAME_A", "1" }, { "NAME_B", "2" }, ALL };
	const struct pair b[] = { { "NAME_B", "1" }, { "NAME_A", "2" }, ALL };
	struct param_shape *shape;
	void *mine = &shape;

	(void)state;
	assert_null(shape_of(a));
	shape = shape_of(a);
	assert_non_null(shape);
	assert_null(*params_shape_slot(shape));
	*params_shape_slot(shape) = mine;
	assert_null(shape_of(b));
	assert_ptr_equal(shape_of(a), shape);
	assert_ptr_equal(*params_shape_slot(shape), mine);
	*params_shape_slot(shape) = NULL;
	assert_ptr_not_equal(shape_of(b), shape);
	/* The same bytes, cut elsewhere. */
	assert_null(shape_of((struct pair[]){ { "NAME_AN", "" },
	    { "AME_B", "" }, ALL }));
}

static struct param_shape *
shape_number(unsigned n)
{
	char name[16];

	snprintf(name, sizeof(name), "SHAPE_%u", n);
	shape_of((struct pair[]){ { name, "" }, ALL });
	return shape_of((struct pair[]){ { name, "" }, ALL });
}

static void
the_oldest_free_shape_makes_room(void **state)
{
	struct params held;
	struct param_shape *first = shape_number(0);
	unsigned i, serial = params_shape_serial(first);
	int mine;

	(void)state;
	*params_shape_slot(first) = &mine;
	held = t.p;
	memset(&t.p, 0, sizeof(t.p));
	for (i = 1; i < 200; i++)
		assert_non_null(shape_number(i));
	assert_ptr_equal(shape_number(0), first);
	params_fini(&held);
	for (i = 200; i < 400; i++) {
		struct param_shape *s = shape_number(i);

		if (*params_shape_slot(s) == &mine)
			break;
	}
	assert_true(i < 400);
	assert_int_not_equal(params_shape_serial(t.p.shape), serial);
	*params_shape_slot(t.p.shape) = NULL;
}

static void
unusual_sequences_are_not_remembered(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		encode_many(&uwsgi_ops, 200, "N", 200);
		assert_int_equal(parse(&uwsgi_ops), 0);
		assert_null(t.p.shape);
		encode_many(&uwsgi_ops, 80, "A_very_long_name_of_more_than_"
		    "fifty_bytes_in_each_", 80);
		assert_int_equal(parse(&uwsgi_ops), 0);
		assert_null(t.p.shape);
	}
}

static void
parameters_are_found_by_name(void **state)
{
	(void)state;
	shape_of((struct pair[]){ { "A", "1" }, { "HTTP_TE", "2" },
	    { "A", "3" }, ALL });
	same(params_get(&t.p, STR("A")), "3");
	same(params_get(&t.p, STR("HTTP_TE")), "2");
	assert_null(params_get(&t.p, STR("B")).p);
}

#define T(f)	cmocka_unit_test_setup(f, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(paths_are_cut),
		T(paths_come_from_the_uri_where_that_is_set),
		T(mounts_are_found),
		T(root_path_is_the_outermost_prefix),
		T(methods_are_tokens),
		T(lengths_are_digits),
		T(lengths_may_repeat_but_not_differ),
		T(query_comes_from_the_uri_if_absent),
		T(scheme_is_found),
		T(forwarded_scheme_needs_trust_and_one_value),
		T(server_name_is_found),
		T(server_port_is_a_port),
		T(parameters_are_kept_joined_or_dropped),
		T(remote_user_may_be_dropped),
		T(nameless_pairs_are_dropped),
		T(bad_bytes_are_refused),
		T(cut_pairs_are_malformed),
		T(websockets_are_noticed),
		T(limits_are_named),
		T(as_many_as_the_index_can_hold),
		T(time_is_linear_in_the_names),
		T(no_memory_is_503),
		T(shapes_are_shared_by_the_same_names),
		T(the_oldest_free_shape_makes_room),
		T(unusual_sequences_are_not_remembered),
		T(parameters_are_found_by_name),
	};

	return cmocka_run_group_tests_name("params", tests, setup_group,
	    teardown_group);
}

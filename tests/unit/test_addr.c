/* SPDX-License-Identifier: MIT */
/* Bind texts, and networks that peers are matched to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "os/addr.h"

struct good {
	const char	*text;
	enum addr_kind	 kind;
	const char	*back;		/* addr_format; NULL: not a socket */
};

static void
binds_are_parsed_and_printed(void **state UNUSED)
{
	static const struct good good[] = {
		{ "unix:/run/a.sock", ADDR_UNIX, "unix:/run/a.sock" },
		{ "unix:a.sock", ADDR_UNIX, "unix:a.sock" },
		{ "unix:@a b", ADDR_ABSTRACT, "unix:@a b" },
		{ "127.0.0.1:8000", ADDR_INET, "127.0.0.1:8000" },
		{ "localhost:80", ADDR_INET, "127.0.0.1:80" },
		{ ":8000", ADDR_INET, "0.0.0.0:8000" },
		{ "*:8000", ADDR_INET, "0.0.0.0:8000" },
		{ "0.0.0.0:0", ADDR_INET, "0.0.0.0:0" },
		{ "[::1]:65535", ADDR_INET, "[::1]:65535" },
		{ "[::]:1", ADDR_INET, "[::]:1" },
		{ "fd://0", ADDR_FD, NULL },
		{ "fd://2147483647", ADDR_FD, NULL },
		{ "fd:shop.socket", ADDR_FDNAME, NULL },
	};
	char back[160];
	struct addr a;
	struct err err;
	size_t i;

	for (i = 0; i < nitems(good); i++) {
		if (addr_parse(good[i].text, &a, &err) == -1)
			fail_msg("%s: %s", good[i].text, err.text);
		assert_int_equal(a.kind, good[i].kind);
		if (good[i].back == NULL)
			continue;
		addr_format(&a.sock, a.len, back, sizeof(back));
		assert_string_equal(back, good[i].back);
	}
	assert_int_equal(addr_parse("fd://7", &a, &err), 0);
	assert_int_equal(a.fd, 7);
	assert_int_equal(addr_parse("fd:web", &a, &err), 0);
	assert_string_equal(a.name, "web");
}

static void
bad_binds_are_refused_with_what_would_be_right(void **state UNUSED)
{
	static const char *const bad[][2] = {
		{ "", "HOST:PORT" },
		{ "8000", "HOST:PORT" },
		{ "localhost", "HOST:PORT" },
		{ "/run/a.sock", "unix:/run/a.sock" },
		{ "./a.sock", "unix:./a.sock" },
		{ "@a", "unix:@a" },
		{ "unix:", "unix:/run/app.sock" },
		{ "unix:@", "unix:/run/app.sock" },
		{ "127.0.0.1:", "not a port" },
		{ "127.0.0.1:65536", "not a port" },
		{ "127.0.0.1:-1", "not a port" },
		{ "127.0.0.1:80x", "not a port" },
		{ "127.0.0.1:http", "not a port" },
		{ "::1:80", "[::1]:8000" },
		{ "[::1:80", "[::1]:8000" },
		{ "[::g]:80", "::g" },
		{ "no.such.host.invalid:80", "no.such.host.invalid" },
		{ "fd://", "fd://3" },
		{ "fd://x", "fd://3" },
		{ "fd://-1", "fd://3" },
		{ "fd://2147483648", "fd://3" },
		{ "fd:", "passed socket" },
	};
	struct addr a;
	struct err err;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		if (addr_parse(bad[i][0], &a, &err) != -1)
			fail_msg("%s was taken", bad[i][0]);
		if (strstr(err.text, bad[i][1]) == NULL)
			fail_msg("%s: %s", bad[i][0], err.text);
		assert_int_equal(err.code, 1);
	}
}

static void
paths_fit_the_kernel_or_are_refused(void **state UNUSED)
{
	char text[256] = "unix:";
	struct addr a;
	struct err err;

	memset(text + 5, 'x', 107);
	assert_int_equal(addr_parse(text, &a, &err), 0);
	text[5 + 107] = 'x';
	assert_int_equal(addr_parse(text, &a, &err), -1);
	assert_non_null(strstr(err.text, "too long: 108 bytes"));
	memset(text, 0, sizeof(text));
	memset(text, 'h', 255);
	memcpy(text + 252, ":80", 3);
	assert_int_equal(addr_parse(text, &a, &err), -1);
}

static bool
has(const char *net, const char *peer)
{
	union addr_sock s = { .sa.sa_family = AF_UNIX };
	struct addr_net n;
	struct err err;

	if (addr_net_parse(net, &n, &err) == -1)
		fail_msg("%s", err.text);
	if (inet_pton(AF_INET, peer, &s.in.sin_addr) == 1)
		s.in.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, peer, &s.in6.sin6_addr) == 1)
		s.in6.sin6_family = AF_INET6;
	return addr_net_has(&n, &s.sa);
}

static void
networks_match_by_prefix(void **state UNUSED)
{
	assert_true(has("10.0.0.0/8", "10.255.1.2"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("10.1.2.3/8", "10.9.9.9"));
	assert_true(has("192.0.2.128/25", "192.0.2.255"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.7", "192.0.2.7"));
	assert_false(has("192.0.2.7", "192.0.2.6"));
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::1", "::1"));
	assert_false(has("::1", "::2"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("::/0", "2001:db8::1"));
}

static void
mapped_peers_match_v4_networks(void **state UNUSED)
{
	assert_true(has("127.0.0.0/8", "::ffff:127.0.0.1"));
	assert_false(has("127.0.0.0/8", "::ffff:128.0.0.1"));
	assert_false(has("127.0.0.0/8", "::127.0.0.1"));
}

static void
unix_and_star_are_networks(void **state UNUSED)
{
	assert_true(has("unix", "unix"));
	assert_false(has("unix", "127.0.0.1"));
	assert_false(has("127.0.0.1", "unix"));
	assert_true(has("*", "unix"));
	assert_true(has("*", "192.0.2.1"));
	assert_true(has("*", "::1"));
}

static void
bad_networks_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "localhost", "10.0.0", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/8/8", "::1/129", "10.0.0.0/255.0.0.0",
		"0123456789012345678901234567890123456789012345678", "/8",
		"UNIX", "**"
	};
	struct addr_net n;
	struct err err;
	size_t i;

	for (i = 0; i < nitems(bad); i++)
		if (addr_net_parse(bad[i], &n, &err) != -1)
			fail_msg("%s was taken", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binds_are_parsed_and_printed),
		cmocka_unit_test(
		    bad_binds_are_refused_with_what_would_be_right),
		cmocka_unit_test(paths_fit_the_kernel_or_are_refused),
		cmocka_unit_test(networks_match_by_prefix),
		cmocka_unit_test(mapped_peers_match_v4_networks),
		cmocka_unit_test(unix_and_star_are_networks),
		cmocka_unit_test(bad_networks_are_refused),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}

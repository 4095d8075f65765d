/* SPDX-License-Identifier: MIT */
/* Bind texts to socket addresses and back; networks. */
#include <arpa/inet.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/addr.h"

static int
addr_parse_path(const char *path, struct addr *a, struct err *err)
{
	struct sockaddr_un *un = &a->sock.un;
	size_t n = strlen(path);
	bool abstract = path[0] == '@';

	if (n == (abstract ? 1 : 0))
		return err_set(err, "unix: lacks a path; "
		    "unix:/run/app.sock would be right");
	if (n >= sizeof(un->sun_path))
		return err_set(err, "unix:%s is too long: %zu bytes, and the "
		    "kernel takes %zu", path, n, sizeof(un->sun_path) - 1);
	a->kind = abstract ? ADDR_ABSTRACT : ADDR_UNIX;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (abstract)
		un->sun_path[0] = '\0';
	/* The length of an abstract name counts, that of a path has a NUL. */
	a->len = offsetof(struct sockaddr_un, sun_path) + n + !abstract;
	return 0;
}

static int
addr_parse_fd(const char *text, struct addr *a, struct err *err)
{
	int64_t n;

	if (strncmp(text, "fd://", 5) == 0) {
		if (str_parse_int(text + 5, 0, INT32_MAX, &n) == -1)
			return err_set(err, "%s is not a descriptor; fd://3 "
			    "would be one", text);
		a->kind = ADDR_FD;
		a->fd = (int)n;
		return 0;
	}
	text += strlen("fd:");
	if (*text == '\0' || strlen(text) >= sizeof(a->name))
		return err_set(err, "fd:%s lacks the name of a passed socket",
		    text);
	a->kind = ADDR_FDNAME;
	memcpy(a->name, text, strlen(text) + 1);
	return 0;
}

/*
 * Names that mean an address: every host has them, also where no resolver is
 * configured (a container without /etc/hosts; RFC 6761 section 6.3).
 */
static const char *
addr_alias(const char *host)
{
	if (*host == '\0' || strcmp(host, "*") == 0)
		return "0.0.0.0";
	return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

/* Numeric addresses never ask the resolver. */
static int
addr_resolve(const char *text, const char *host, const char *port,
    struct addr *a, struct err *err)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE
	}, *found;
	int64_t n;
	int rc;

	if (str_parse_int(port, 0, 65535, &n) == -1)
		return err_set(err, "%s: \"%s\" is not a port", text, port);
	rc = getaddrinfo(addr_alias(host), port, &hints, &found);
	if (rc != 0)
		return err_set(err, "%s: host \"%s\": %s", text, host,
		    gai_strerror(rc));
	a->kind = ADDR_INET;
	a->len = found->ai_addrlen;
	memcpy(&a->sock, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

/* HOST:PORT, :PORT, *:PORT, [V6]:PORT. */
static int
addr_parse_inet(const char *text, struct addr *a, struct err *err)
{
	char host[256];
	const char *colon = strrchr(text, ':'), *from = text, *to = colon;

	if (*text == '/' || *text == '.' || *text == '@')
		return err_set(err, "%s is not an address; unix:%s would be "
		    "one", text, text);
	if (colon == NULL)
		return err_set(err, "%s is not an address; write HOST:PORT or "
		    "unix:PATH", text);
	if (*from == '[' && to > from && to[-1] == ']') {
		from++;
		to--;
	} else if (memchr(from, ':', to - from) != NULL)
		return err_set(err, "%s is not an address; IPv6 addresses "
		    "stand in brackets: [::1]:8000", text);
	if ((size_t)(to - from) >= sizeof(host))
		return err_set(err, "%s: host name too long", text);
	memcpy(host, from, to - from);
	host[to - from] = '\0';
	return addr_resolve(text, host, colon + 1, a, err);
}

int
addr_parse(const char *text, struct addr *a, struct err *err)
{
	memset(a, 0, sizeof(*a));
	a->fd = -1;
	if (strncmp(text, "unix:", 5) == 0)
		return addr_parse_path(text + 5, a, err);
	if (strncmp(text, "fd:", 3) == 0)
		return addr_parse_fd(text, a, err);
	return addr_parse_inet(text, a, err);
}

static void
addr_format_unix(const struct sockaddr_un *un, socklen_t len, char *out,
    size_t size)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	int n = len > head ? (int)(len - head) : 0;

	if (n > 0 && un->sun_path[0] == '\0')
		snprintf(out, size, "unix:@%.*s", n - 1, un->sun_path + 1);
	else
		snprintf(out, size, "unix:%.*s", n, un->sun_path);
}

void
addr_format(const union addr_sock *s, socklen_t len, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	switch (s->sa.sa_family) {
	case AF_UNIX:
		addr_format_unix(&s->un, len, out, size);
		break;
	case AF_INET:
		inet_ntop(AF_INET, &s->in.sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(s->in.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &s->in6.sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(s->in6.sin6_port));
		break;
	default:
		snprintf(out, size, "family %d", s->sa.sa_family);
	}
}

/* Bits behind the prefix are cleared, so that 10.1.2.3/8 is 10.0.0.0/8. */
static void
addr_net_mask(struct addr_net *net)
{
	size_t i;

	for (i = 0; i < sizeof(net->bytes); i++) {
		if (i * 8 >= net->bits)
			net->bytes[i] = 0;
		else if (net->bits - i * 8 < 8)
			net->bytes[i] &= 0xff << (8 - (net->bits - i * 8));
	}
}

int
addr_net_parse(const char *text, struct addr_net *net, struct err *err)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	size_t n = slash - text;
	int64_t bits;

	memset(net, 0, sizeof(*net));
	if (strcmp(text, "*") == 0) {
		net->family = AF_UNSPEC;
		return 0;
	}
	if (strcmp(text, "unix") == 0) {
		net->family = AF_UNIX;
		return 0;
	}
	if (n < sizeof(host)) {
		memcpy(host, text, n);
		host[n] = '\0';
		if (inet_pton(AF_INET, host, net->bytes) == 1)
			net->family = AF_INET;
		else if (inet_pton(AF_INET6, host, net->bytes) == 1)
			net->family = AF_INET6;
	}
	if (net->family == AF_UNSPEC)
		return err_set(err, "%s is not a network; 10.0.0.0/8, ::1, "
		    "unix or * would be one", text);
	bits = net->family == AF_INET ? 32 : 128;
	if (*slash != '\0' && str_parse_int(slash + 1, 0, bits, &bits) == -1)
		return err_set(err, "%s: the prefix is a number from 0 to "
		    "%d", text, (int)bits);
	net->bits = (unsigned)bits;
	addr_net_mask(net);
	return 0;
}

static bool
addr_net_match(const struct addr_net *net, const unsigned char *bytes)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (memcmp(net->bytes, bytes, whole) != 0)
		return false;
	return rest == 0 ||
	    (net->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

bool
addr_net_has(const struct addr_net *net, const struct sockaddr *sa)
{
	union addr_sock s;
	const unsigned char *v6;

	if (net->family == AF_UNSPEC)
		return true;
	if (net->family == AF_UNIX || sa->sa_family == AF_UNIX)
		return net->family == sa->sa_family;
	if (sa->sa_family == AF_INET) {
		memcpy(&s.in, sa, sizeof(s.in));
		return net->family == AF_INET && addr_net_match(net,
		    (const unsigned char *)&s.in.sin_addr);
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&s.in6, sa, sizeof(s.in6));
	v6 = s.in6.sin6_addr.s6_addr;
	if (net->family == AF_INET)
		return IN6_IS_ADDR_V4MAPPED(&s.in6.sin6_addr) &&
		    addr_net_match(net, v6 + 12);
	return addr_net_match(net, v6);
}

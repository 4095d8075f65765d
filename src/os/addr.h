/* SPDX-License-Identifier: MIT */
/* Addresses as operators write them, and networks that peers are matched to. */
#ifndef OS_ADDR_H
#define OS_ADDR_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum addr_kind { ADDR_UNIX, ADDR_ABSTRACT, ADDR_INET, ADDR_FD, ADDR_FDNAME };

union addr_sock {
	struct sockaddr		sa;
	struct sockaddr_un	un;
	struct sockaddr_in	in;
	struct sockaddr_in6	in6;
	struct sockaddr_storage	ss;
};

struct addr {
	enum addr_kind	kind;
	union addr_sock	sock;
	socklen_t	len;
	int		fd;		/* ADDR_FD */
	char		name[108];	/* ADDR_FDNAME */
};

/* Parse a bind text; -1 with a sentence that says what would be right. */
int	addr_parse(const char *text, struct addr *, struct err *) MUSTCHECK;
/* A socket address as text: unix:/path, 127.0.0.1:80, [::1]:80. */
void	addr_format(const union addr_sock *, socklen_t, char *out, size_t);

/* A network: 10.0.0.0/8, ::1, 192.0.2.7, unix (every UNIX socket), *. */
struct addr_net {
	int	 family;	/* AF_UNIX matches UNIX; AF_UNSPEC everything */
	unsigned char bytes[16];
	unsigned bits;
};
int	addr_net_parse(const char *text, struct addr_net *, struct err *)
	    MUSTCHECK;
/* v4-mapped v6 addresses match v4 networks. */
bool	addr_net_has(const struct addr_net *, const struct sockaddr *);

#endif

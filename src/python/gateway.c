/* SPDX-License-Identifier: MIT */
/* The list of interfaces. */
#include <stddef.h>

#include "python/gateway.h"

const struct gateway *const gateways[] = {
	&wsgi_gateway,
	&asgi_gateway,
	NULL
};

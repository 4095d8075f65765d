/* SPDX-License-Identifier: MIT */
/* The list of codecs, and what the first bytes of a stranger look like. */
#include <stdio.h>
#include <string.h>

#include "proto/proto.h"

const struct proto_ops *const protos[] = {
	&fcgi_ops,
	&uwsgi_ops,
	NULL
};

const struct proto_ops *
proto_find(const char *name)
{
	size_t		 i;

	for (i = 0; protos[i] != NULL; i++)
		if (strcmp(protos[i]->name, name) == 0)
			break;
	return protos[i];
}

const struct proto_ops *
proto_detect(uint8_t first_byte)
{
	size_t		 i;

	for (i = 0; protos[i] != NULL; i++)
		if (protos[i]->first_byte == first_byte)
			break;
	return protos[i];
}

/* How what is sent to the wrong port begins. */
static const struct proto_sign {
	const char	*bytes;
	size_t		 len;
	const char	*what;
} proto_signs[] = {
	{ "\x01", 1, "FastCGI" },
	{ "\x16\x03", 2, "TLS" },
	{ "PROXY ", 6, "the PROXY protocol" },
	{ "\r\n\r\n\0\r\nQUIT\n", 12, "the PROXY protocol" },
	{ "SSH-", 4, "SSH" }
};

static const char *
proto_sign(const uint8_t *first, size_t n)
{
	const struct proto_sign *s = proto_signs;
	size_t		 i;

	for (i = 0; i < sizeof(proto_signs) / sizeof(*s); i++)
		if (n >= s[i].len && memcmp(first, s[i].bytes, s[i].len) == 0)
			return s[i].what;
	/* A method; uWSGI gives no request a letter as modifier. */
	return first[0] >= 'A' && first[0] <= 'Z' ? "HTTP" : NULL;
}

void
proto_guess(const uint8_t *first, size_t n, char *out, size_t size)
{
	const char	*what = n == 0 ? "nothing" : proto_sign(first, n);

	if (what != NULL)
		snprintf(out, size, "%s", what);
	else
		snprintf(out, size, "uwsgi modifier1 %u", first[0]);
}

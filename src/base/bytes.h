/* SPDX-License-Identifier: MIT */
/*
 * Short runs of bytes, compared and scanned where they stand: most names and
 * values of a request are a few words long, less than what a call costs.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_LONG	64	/* from here on memcmp is faster */

static inline uint64_t
bytes_word(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* Up to eight bytes as a word; which bytes go where depends on n alone. */
static inline uint64_t
bytes_short(const char *p, size_t n)
{
	uint32_t a, b;

	if (n >= 4) {
		memcpy(&a, p, sizeof(a));
		memcpy(&b, p + n - sizeof(b), sizeof(b));
		return (uint64_t)a << 32 | b;
	}
	if (n == 0)
		return 0;
	/* The first, the middle and the last are all there are. */
	return (uint64_t)(uint8_t)p[0] << 16 |
	    (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1];
}

/* Whether the n bytes at a and b are the same. */
static inline bool
bytes_same(const char *a, const char *b, size_t n)
{
	uint64_t differ;
	size_t i;

	if (n < sizeof(differ))
		return bytes_short(a, n) == bytes_short(b, n);
	if (n >= BYTES_LONG)
		return memcmp(a, b, n) == 0;
	/* The last word overlaps the one before it. */
	differ = bytes_word(a + n - sizeof(differ)) ^
	    bytes_word(b + n - sizeof(differ));
	for (i = 0; i + sizeof(differ) < n; i += sizeof(differ))
		differ |= bytes_word(a + i) ^ bytes_word(b + i);
	return differ == 0;
}

/* The high bit of some byte is set if one is less than c, which is <= 128. */
static inline uint64_t
bytes_less(uint64_t word, uint8_t c)
{
	const uint64_t ones = ~(uint64_t)0 / 255;

	return (word - ones * c) & ~word & (ones * 128);
}

/* Whether any of n bytes is less than c, for a c up to 128. */
static inline bool
bytes_have_less(const char *p, size_t n, uint8_t c)
{
	uint64_t found;
	size_t i;

	if (n < sizeof(found)) {
		for (i = 0; i < n; i++)
			if ((uint8_t)p[i] < c)
				return true;
		return false;
	}
	found = bytes_less(bytes_word(p + n - sizeof(found)), c);
	for (i = 0; i + sizeof(found) < n; i += sizeof(found))
		found |= bytes_less(bytes_word(p + i), c);
	return found != 0;
}

#endif

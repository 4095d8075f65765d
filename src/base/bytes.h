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

/* Sixteen bytes, which the compiler gives to the vector unit if there is one. */
typedef uint8_t bytes_vec __attribute__((vector_size(16)));
typedef uint64_t bytes_halves __attribute__((vector_size(16)));

static inline bytes_vec
bytes_load(const char *p)
{
	bytes_vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline bool
bytes_any(bytes_vec v)
{
	bytes_halves h = (bytes_halves)v;

	return (h[0] | h[1]) != 0;
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
	const size_t word = sizeof(uint64_t), vec = sizeof(bytes_vec);
	bytes_vec differ;
	size_t i;

	if (n < word)
		return bytes_short(a, n) == bytes_short(b, n);
	/* What is last overlaps what is before it. */
	if (n < vec)
		return ((bytes_word(a) ^ bytes_word(b)) |
		    (bytes_word(a + n - word) ^
		    bytes_word(b + n - word))) == 0;
	if (n >= BYTES_LONG)
		return memcmp(a, b, n) == 0;
	differ = bytes_load(a + n - vec) ^ bytes_load(b + n - vec);
	for (i = 0; i + vec < n; i += vec)
		differ |= bytes_load(a + i) ^ bytes_load(b + i);
	return !bytes_any(differ);
}

/* The high bit of some byte is set if one is less than c, which is <= 128. */
static inline uint64_t
bytes_less(uint64_t word, uint8_t c)
{
	const uint64_t ones = ~(uint64_t)0 / 255;

	return (word - ones * c) & ~word & (ones * 128);
}

/* Whether any of n bytes is less than c, for a c from 1 to 128. */
static inline bool
bytes_have_less(const char *p, size_t n, uint8_t c)
{
	const size_t word = sizeof(uint64_t), vec = sizeof(bytes_vec);
	bytes_vec found;
	size_t i;

	if (n == 0)
		return false;
	if (n < 4)
		return bytes_less(bytes_short(p, n) | ~(uint64_t)0 << 24,
		    c) != 0;
	if (n < word)
		return bytes_less(bytes_short(p, n), c) != 0;
	if (n < vec)
		return (bytes_less(bytes_word(p), c) |
		    bytes_less(bytes_word(p + n - word), c)) != 0;
	found = (bytes_vec)(bytes_load(p + n - vec) < c);
	for (i = 0; i + vec < n; i += vec)
		found |= (bytes_vec)(bytes_load(p + i) < c);
	return bytes_any(found);
}

#endif

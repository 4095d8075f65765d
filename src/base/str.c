/* SPDX-License-Identifier: MIT */
/* Slices and text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define NEAREST_MAX	64	/* longer words have no near names */

static inline bool
str_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
str_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ASCII only: no locale has a say in a protocol. */
static inline char
str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The same for the eight bytes of a word, which stay apart: no sum carries. */
static inline uint64_t
str_lower_word(const char *p)
{
	const uint64_t ones = ~(uint64_t)0 / 255;
	uint64_t w, low, upper;

	memcpy(&w, p, sizeof(w));
	low = w & ones * 0x7f;
	upper = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z')) &
	    ~w & ones * 0x80;
	return w | upper >> 2;
}

bool
str_caseeq(struct str a, struct str b)
{
	const size_t word = sizeof(uint64_t);
	size_t i;

	if (a.len != b.len)
		return false;
	for (i = 0; a.len - i >= word; i += word)
		if (str_lower_word(a.p + i) != str_lower_word(b.p + i))
			return false;
	/* What is left ends with a word that overlaps, or is short. */
	if (i > 0)
		return i == a.len || str_lower_word(a.p + a.len - word) ==
		    str_lower_word(b.p + b.len - word);
	for (; i < a.len; i++)
		if (str_lower(a.p[i]) != str_lower(b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

struct str
str_trim(struct str s)
{
	for (; s.len > 0 && str_is_blank(s.p[0]); s.len--)
		s.p++;
	while (s.len > 0 && str_is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

size_t
str_words(char *text, char **words, size_t max)
{
	char *word, *rest = text;
	size_t n = 0;

	while ((word = strsep(&rest, " \t")) != NULL) {
		if (*word == '\0')
			continue;
		if (n == max)
			return max + 1;
		words[n++] = word;
	}
	return n;
}

void
strlist_add(struct strlist *l, const char *s)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = xstrdup(s);
}

void
strlist_fini(struct strlist *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	l->v = NULL;
	l->n = 0;
}

bool
strlist_eq(const struct strlist *a, const struct strlist *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static int
str_put_in_range(int64_t n, int64_t min, int64_t max, int64_t *out)
{
	if (n < min || n > max)
		return -1;
	*out = n;
	return 0;
}

/* strtoll without its blanks and plus sign. *end is behind the last digit. */
static int
str_scan_int(const char *s, const char **end, int64_t *out)
{
	const char *digits = *s == '-' ? s + 1 : s;
	char *stop;
	int saved = errno;

	if (!str_is_digit(*digits))
		return -1;
	errno = 0;
	*out = strtoll(s, &stop, 10);
	*end = stop;
	if (errno != 0)
		return -1;
	errno = saved;
	return 0;
}

int
str_parse_int(const char *s, int64_t min, int64_t max, int64_t *out)
{
	const char *end;
	int64_t n;

	if (str_scan_int(s, &end, &n) == -1 || *end != '\0')
		return -1;
	return str_put_in_range(n, min, max, out);
}

struct str_unit {
	const char	*name;
	int64_t		 factor;
};

/* The factor that a unit stands for, 0 if it is none of them. */
static int64_t
str_find_unit(const struct str_unit *units, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(name, units[i].name) == 0)
			return units[i].factor;
	return 0;
}

int
str_parse_size(const char *s, int64_t min, int64_t max, int64_t *out)
{
	static const struct str_unit units[] = {
		{ "", 1 }, { "k", 1024 }, { "m", 1024 * 1024 },
		{ "g", 1024 * 1024 * 1024 },
	};
	const char *end;
	int64_t n, factor;

	if (str_scan_int(s, &end, &n) == -1)
		return -1;
	factor = str_find_unit(units, nitems(units), end);
	if (factor == 0 || __builtin_mul_overflow(n, factor, &n))
		return -1;
	return str_put_in_range(n, min, max, out);
}

/*
 * The digits behind a decimal point, in billionths; later ones are dropped,
 * and *inexact told if they were not all zero.
 */
static int64_t
str_scan_fraction(const char *s, const char **end, bool *inexact)
{
	int64_t n = 0, scale = 1000000000;

	for (; str_is_digit(*s); s++) {
		if (scale > 1) {
			n = n * 10 + (*s - '0');
			scale /= 10;
		} else if (*s != '0')
			*inexact = true;
	}
	*end = s;
	return n * scale;
}

/* Parts of a millisecond round up: a short time must not become 0, "off". */
int
str_parse_time(const char *s, int64_t min_s, int64_t max_s, int64_t *out)
{
	static const struct str_unit units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
		{ "h", 3600 * 1000 }, { "d", 86400 * 1000 },
	};
	const int64_t billion = 1000000000;
	const char *end;
	int64_t n, factor, part = 0;
	bool inexact = false;

	if (*s == '-' || str_scan_int(s, &end, &n) == -1)
		return -1;
	if (*end == '.') {
		if (!str_is_digit(end[1]))
			return -1;
		part = str_scan_fraction(end + 1, &end, &inexact);
	}
	if ((factor = str_find_unit(units, nitems(units), end)) == 0)
		return -1;
	part = part * factor + (inexact ? factor : 0);
	part = (part + billion - 1) / billion;
	if (__builtin_mul_overflow(n, factor, &n) ||
	    __builtin_add_overflow(n, part, &n))
		return -1;
	return str_put_in_range(n, min_s * 1000, max_s * 1000, out);
}

int
str_parse_mode(const char *s, unsigned *out)
{
	unsigned mode = 0;
	size_t i;

	for (i = 0; s[i] >= '0' && s[i] <= '7' && mode <= 0777; i++)
		mode = mode * 8 + (unsigned)(s[i] - '0');
	if (i == 0 || s[i] != '\0' || mode > 07777)
		return -1;
	*out = mode;
	return 0;
}

int
str_parse_bool(const char *s, bool *out)
{
	static const char *const words[] = {
		"no", "yes", "off", "on", "false", "true", "0", "1",
	};
	size_t i;

	for (i = 0; i < nitems(words); i++) {
		if (strcasecmp(s, words[i]) == 0) {
			*out = i % 2;
			return 0;
		}
	}
	return -1;
}

static inline size_t
str_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Edit distance in which swapping two neighbours is one step, since that is
 * what fingers do. Three rows of the matrix suffice; rows and columns are
 * prefixes of a and b. Both are shorter than NEAREST_MAX.
 */
static size_t
str_distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][NEAREST_MAX], *prev2, *prev, *row, i, j, d;

	for (j = 0; j <= blen; j++)
		rows[0][j] = j;
	for (i = 1; i <= alen; i++) {
		row = rows[i % 3];
		prev = rows[(i + 2) % 3];
		prev2 = rows[(i + 1) % 3];
		row[0] = i;
		for (j = 1; j <= blen; j++) {
			d = prev[j - 1] + (a[i - 1] != b[j - 1]);
			d = str_min(d, str_min(prev[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d = str_min(d, prev2[j - 2] + 1);
			row[j] = d;
		}
	}
	return rows[alen % 3][blen];
}

const char *
str_nearest(const char *word, const char *const *names)
{
	size_t len = strlen(word), nlen, d, best = len / 3 + 1;
	const char *near = NULL;

	if (len >= NEAREST_MAX)
		return NULL;
	for (; *names != NULL; names++) {
		if ((nlen = strlen(*names)) >= NEAREST_MAX)
			continue;
		d = str_distance(word, len, *names, nlen);
		if (d < best) {
			best = d;
			near = *names;
		}
	}
	return near;
}

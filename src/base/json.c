/* SPDX-License-Identifier: MIT */
/* JSON, as RFC 8259 has it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define JSON_DEPTH	16

void
json_out_init(struct json_out *o, size_t max)
{
	buf_init(&o->buf, max);
	o->failed = false;
}

void
json_out_fini(struct json_out *o)
{
	buf_fini(&o->buf);
}

static void
json_put(struct json_out *o, const void *bytes, size_t n)
{
	if (buf_add(&o->buf, bytes, n) == -1)
		o->failed = true;
}

/* The length of the UTF-8 sequence at p, 0 if there is none. */
static size_t
json_utf8(const unsigned char *p)
{
	size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 :
	    *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0, i;

	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a surrogate pair, beyond the end. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void
json_put_text(struct json_out *o, const char *text)
{
	size_t n;

	json_put(o, "\"", 1);
	for (; *text != '\0'; text += n) {
		n = json_utf8((const unsigned char *)text);
		if (n == 0) {
			json_put(o, "\\ufffd", 6);
			n = 1;
		} else if (*text == '"' || *text == '\\') {
			json_put(o, "\\", 1);
			json_put(o, text, 1);
		} else if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			if (buf_printf(&o->buf, "\\u%04x", *text) == -1)
				o->failed = true;
		} else
			json_put(o, text, n);
	}
	json_put(o, "\"", 1);
}

/* What comes before a value: a comma, unless it is the first; its name. */
static void
json_begin(struct json_out *o, const char *name)
{
	size_t n = buf_len(&o->buf);

	if (n > 0 && strchr("{[", buf_head(&o->buf)[n - 1]) == NULL)
		json_put(o, ",", 1);
	if (name == NULL)
		return;
	json_put_text(o, name);
	json_put(o, ":", 1);
}

void
json_open(struct json_out *o, const char *name, char bracket)
{
	json_begin(o, name);
	json_put(o, &bracket, 1);
}

void
json_close(struct json_out *o, char bracket)
{
	json_put(o, &bracket, 1);
}

void
json_str(struct json_out *o, const char *name, const char *text)
{
	json_begin(o, name);
	json_put_text(o, text);
}

void
json_int(struct json_out *o, const char *name, int64_t n)
{
	json_begin(o, name);
	if (buf_printf(&o->buf, "%" PRId64, n) == -1)
		o->failed = true;
}

void
json_bool(struct json_out *o, const char *name, bool yes)
{
	json_begin(o, name);
	json_put(o, yes ? "true" : "false", yes ? 4 : 5);
}

/* What is read, and where. */
struct json_in {
	struct arena	*arena;
	const char	*p, *end;
	int		 depth;
};

static struct json *json_value(struct json_in *);

static void
json_skip(struct json_in *in)
{
	while (in->p < in->end && memchr(" \t\r\n", *in->p, 4) != NULL)
		in->p++;
}

/* Whether this character comes next; if so it is taken. */
static bool
json_takes(struct json_in *in, char c)
{
	json_skip(in);
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static struct json *
json_node(struct json_in *in, enum json_kind kind)
{
	struct json *j = arena_alloc(in->arena, sizeof(*j));

	if (j != NULL)
		*j = (struct json){ .kind = kind, .text = "" };
	return j;
}

/* Four hexadecimal digits; -1 if they are not there. */
static int32_t
json_hex(struct json_in *in)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *d;
	int32_t n = 0, v;
	int i;

	if (in->end - in->p < 4)
		return -1;
	for (i = 0; i < 4; i++, in->p++) {
		d = memchr(digits, *in->p, sizeof(digits) - 1);
		if (d == NULL)
			return -1;
		v = (int32_t)(d - digits);
		n = n << 4 | (v < 16 ? v : v - 6);
	}
	return n;
}

/* A code point as UTF-8; a NUL would end the text, so it is none. */
static char *
json_encode(char *at, int32_t c)
{
	if (c < 0x80)
		*at++ = (char)(c == 0 ? '?' : c);
	else if (c < 0x800) {
		*at++ = (char)(0xc0 | c >> 6);
		*at++ = (char)(0x80 | (c & 0x3f));
	} else {
		*at++ = (char)(0xe0 | c >> 12);
		*at++ = (char)(0x80 | (c >> 6 & 0x3f));
		*at++ = (char)(0x80 | (c & 0x3f));
	}
	return at;
}

/*
 * What follows a backslash, NULL if it may not. Surrogate pairs are never
 * written here, and become two of U+FFFD.
 */
static char *
json_unescape(struct json_in *in, char *at)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *f;
	int32_t c;

	if (in->p == in->end)
		return NULL;
	if (*in->p == 'u') {
		in->p++;
		c = json_hex(in);
		if (c == -1)
			return NULL;
		return json_encode(at, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	}
	f = memchr(from, *in->p++, sizeof(from) - 1);
	if (f == NULL)
		return NULL;
	*at++ = to[f - from];
	return at;
}

/* A string behind its first quote. It never grows when it is unescaped. */
static const char *
json_string(struct json_in *in)
{
	const char *quote = in->p;
	char *text, *at;

	while (quote < in->end && *quote != '"')
		quote += *quote == '\\' ? 2 : 1;
	if (quote >= in->end)
		return NULL;
	text = at = arena_alloc(in->arena, (size_t)(quote - in->p) + 1);
	while (at != NULL && in->p < quote)
		if ((unsigned char)*in->p < 0x20)
			at = NULL;
		else if (*in->p != '\\')
			*at++ = *in->p++;
		else {
			in->p++;
			at = json_unescape(in, at);
		}
	if (at == NULL || in->p != quote)
		return NULL;
	in->p++;
	*at = '\0';
	return text;
}

static const char *
json_number(struct json_in *in)
{
	const char *from = in->p;
	size_t n;
	char *text;

	while (in->p < in->end && memchr("+-.0123456789eE", *in->p, 15) != NULL)
		in->p++;
	n = (size_t)(in->p - from);
	text = n > 0 ? arena_alloc(in->arena, n + 1) : NULL;
	if (text == NULL)
		return NULL;
	memcpy(text, from, n);
	text[n] = '\0';
	return text;
}

/* The values up to the closing bracket; false if one is not right. */
static bool
json_inside(struct json_in *in, struct json *j, char close)
{
	struct json **at = &j->first;
	const char *name = NULL;

	if (json_takes(in, close))
		return true;
	do {
		if (j->kind == JSON_OBJECT && (!json_takes(in, '"') ||
		    (name = json_string(in)) == NULL || !json_takes(in, ':')))
			return false;
		if ((*at = json_value(in)) == NULL)
			return false;
		(*at)->name = name;
		at = &(*at)->next;
	} while (json_takes(in, ','));
	return json_takes(in, close);
}

static struct json *
json_nested(struct json_in *in, enum json_kind kind, char close)
{
	struct json *j = json_node(in, kind);

	if (j == NULL || in->depth == JSON_DEPTH)
		return NULL;
	in->depth++;
	if (!json_inside(in, j, close))
		return NULL;
	in->depth--;
	return j;
}

static struct json *
json_word(struct json_in *in)
{
	static const struct {
		const char	*word;
		enum json_kind	 kind;
	} words[] = {
		{ "null", JSON_NULL }, { "false", JSON_FALSE },
		{ "true", JSON_TRUE },
	};
	size_t i, n;

	for (i = 0; i < nitems(words); i++) {
		n = strlen(words[i].word);
		if ((size_t)(in->end - in->p) >= n &&
		    memcmp(in->p, words[i].word, n) == 0) {
			in->p += n;
			return json_node(in, words[i].kind);
		}
	}
	return NULL;
}

static struct json *
json_leaf(struct json_in *in, enum json_kind kind,
    const char *(*read)(struct json_in *))
{
	struct json *j = json_node(in, kind);

	if (j == NULL || (j->text = read(in)) == NULL)
		return NULL;
	return j;
}

static struct json *
json_value(struct json_in *in)
{
	if (json_takes(in, '{'))
		return json_nested(in, JSON_OBJECT, '}');
	if (json_takes(in, '['))
		return json_nested(in, JSON_ARRAY, ']');
	if (json_takes(in, '"'))
		return json_leaf(in, JSON_STRING, json_string);
	if (in->p < in->end && memchr("-0123456789", *in->p, 11) != NULL)
		return json_leaf(in, JSON_NUMBER, json_number);
	return json_word(in);
}

struct json *
json_read(struct arena *arena, const char *text, size_t len)
{
	struct json_in in = { .arena = arena, .p = text, .end = text + len };
	struct json *j = json_value(&in);

	json_skip(&in);
	return in.p == in.end ? j : NULL;
}

const struct json *
json_find(const struct json *j, const char *name)
{
	const struct json *v;

	if (j == NULL || j->kind != JSON_OBJECT)
		return NULL;
	for (v = j->first; v != NULL; v = v->next)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

const char *
json_find_text(const struct json *j, const char *name)
{
	const struct json *v = json_find(j, name);

	return v != NULL ? v->text : "";
}

int64_t
json_find_int(const struct json *j, const char *name)
{
	return strtoll(json_find_text(j, name), NULL, 10);
}

bool
json_find_bool(const struct json *j, const char *name)
{
	const struct json *v = json_find(j, name);

	return v != NULL && v->kind == JSON_TRUE;
}

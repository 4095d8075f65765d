/* SPDX-License-Identifier: MIT */
/*
 * Adapter over libinih. Its callback is told no line number, so the reader
 * that feeds it counts lines, and looks at each before libinih does. Debian's
 * build has switches as variables; ini_setup sets those that matter.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/ini.h"

#define INI_FILE	(1024 * 1024)	/* a larger file is a mistake */
#define INI_LINE	8192		/* longest line, with its \n and NUL */
#define INI_SECTION	49		/* libinih cuts longer names */

struct ini {
	const struct ini_sink *sink;
	struct err	*err;
	const char	*file;
	const char	*at, *end;	/* text not read yet */
	int		 line;
	char		 section[INI_SECTION + 1];
	bool		 has_key;	/* in this section: may be continued */
	bool		 indented;	/* the current line */
	bool		 failed;	/* err is set */
};

static void
ini_setup(void)
{
	ini_use_stack = false;		/* the stack buffer ends at 199 */
	ini_max_line = INI_LINE;
	ini_initial_alloc = INI_LINE;
	ini_allow_realloc = false;
	ini_allow_multiline = true;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
}

/* Put the place in front of the sentence in err. */
static int
ini_fail(struct ini *ini)
{
	err_prefix(ini->err, "%s:%d", ini->file, ini->line);
	ini->err->code = 2;
	ini->failed = true;
	return -1;
}

static int
ini_put(struct ini *ini, const char *key, const char *value)
{
	struct ini_item item = {
		.file = ini->file, .line = ini->line, .section = ini->section,
		.key = key, .value = value,
		.continued = key != NULL && ini->indented && ini->has_key,
	};

	if (ini->sink->item(ini->sink->arg, &item, ini->err) == -1)
		return ini_fail(ini);
	return 0;
}

static int
ini_on_key(void *arg, const char *section UNUSED, const char *key,
    const char *value)
{
	struct ini *ini = arg;
	int ret = ini_put(ini, key, value);

	ini->has_key = true;
	return ret == 0;
}

/* "[name]": remember its name, which libinih would cut, and tell the sink. */
static int
ini_read_heading(struct ini *ini, struct str s)
{
	const char *close = memchr(s.p, ']', s.len);
	struct str name, rest;

	if (close == NULL) {
		err_set(ini->err, "a section's heading has no ]");
		return ini_fail(ini);
	}
	name = str_trim((struct str){ s.p + 1, (size_t)(close - s.p) - 1 });
	rest = str_trim((struct str){ close + 1,
	    (size_t)(s.p + s.len - close) - 1 });
	if (rest.len > 0 && rest.p[0] != ';' && rest.p[0] != '#') {
		err_set(ini->err, "there is text behind a section's heading");
		return ini_fail(ini);
	}
	if (name.len > INI_SECTION) {
		err_set(ini->err, "a section's name has more than %d bytes",
		    INI_SECTION);
		return ini_fail(ini);
	}
	memcpy(ini->section, name.p, name.len);
	ini->section[name.len] = '\0';
	ini->has_key = false;
	return ini_put(ini, NULL, NULL);
}

/* Look at a whole line, without its end, before libinih does. */
static int
ini_check_line(struct ini *ini, struct str s)
{
	if (s.len > INI_LINE - 3) {
		err_set(ini->err, "the line has more than %d bytes",
		    INI_LINE - 3);
		return ini_fail(ini);
	}
	if (memchr(s.p, '\0', s.len) != NULL) {
		err_set(ini->err, "the line has a NUL byte");
		return ini_fail(ini);
	}
	ini->indented = s.len > 0 && isspace((unsigned char)s.p[0]);
	for (; s.len > 0 && isspace((unsigned char)s.p[0]); s.len--)
		s.p++;
	for (; s.len > 0 && isspace((unsigned char)s.p[s.len - 1]); s.len--)
		;
	if (s.len > 0 && s.p[0] == '[' && !(ini->indented && ini->has_key))
		return ini_read_heading(ini, s);
	return 0;
}

/* As fgets: the next line with its end, NULL when there is none. */
static char *
ini_read_line(char *out, int size UNUSED, void *arg)
{
	struct ini *ini = arg;
	const char *nl;
	size_t len;

	if (ini->failed || ini->at == ini->end)
		return NULL;
	ini->line++;
	nl = memchr(ini->at, '\n', (size_t)(ini->end - ini->at));
	len = (size_t)((nl != NULL ? nl : ini->end) - ini->at);
	if (ini_check_line(ini, (struct str){ ini->at, len }) == -1)
		return NULL;
	len += nl != NULL;
	memcpy(out, ini->at, len);
	out[len] = '\0';
	ini->at += len;
	return out;
}

int
ini_parse_text(const char *file, const char *text, size_t len,
    const struct ini_sink *sink, struct err *err)
{
	struct ini ini = {
		.sink = sink, .err = err, .file = file,
		.at = text, .end = text + len,
	};
	int line;

	if (str_starts((struct str){ text, len }, STR("\xef\xbb\xbf")))
		ini.at += 3;
	ini_setup();
	line = ini_parse_stream(ini_read_line, &ini, ini_on_key, &ini);
	if (ini.failed)
		return -1;
	if (line < 0)
		return err_setc(err, 2, "%s: out of memory", file);
	if (line > 0)
		return err_setc(err, 2, "%s:%d: neither a [section] nor "
		    "key = value", file, line);
	return 0;
}

/* The whole file. -1 with errno; EFBIG where it has more than b may hold. */
static int
ini_read_file(int fd, struct buf *b)
{
	ssize_t n;

	for (;;) {
		if (buf_reserve(b, b->max / 16) == -1) {
			errno = EFBIG;
			return -1;
		}
		n = read(fd, b->data + b->end, b->max / 16);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			b->end += (size_t)n;
	}
}

int
ini_parse_path(const char *path, const struct ini_sink *sink, struct err *err)
{
	struct buf b;
	int fd, ret;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return err_setc(err, 2, "%s: %s", path, strerror(errno));
	buf_init(&b, INI_FILE);
	if (ini_read_file(fd, &b) == -1)
		ret = err_setc(err, 2, "%s: %s", path, strerror(errno));
	else
		ret = ini_parse_text(path, buf_head(&b), buf_len(&b), sink,
		    err);
	buf_fini(&b);
	close(fd);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/* The operator's sentence. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

static void	err_format(struct err *, int, const char *, va_list)
		    PRINTFLIKE(3, 0);

static void
err_format(struct err *err, int code, const char *fmt, va_list ap)
{
	int saved = errno;

	err->code = code;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	errno = saved;
}

int
err_set(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_format(err, 1, fmt, ap);
	va_end(ap);
	return -1;
}

int
err_setc(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_format(err, code, fmt, ap);
	va_end(ap);
	return -1;
}

int
err_prefix(struct err *err, const char *fmt, ...)
{
	struct err was = *err;
	va_list ap;
	int saved = errno;
	size_t at;

	va_start(ap, fmt);
	err_format(err, was.code, fmt, ap);
	va_end(ap);
	for (at = 0; err->text[at] != '\0'; at++)
		;
	snprintf(err->text + at, sizeof(err->text) - at, ": %s", was.text);
	errno = saved;
	return -1;
}

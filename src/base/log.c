/* SPDX-License-Identifier: MIT */
/* The error log: escaped lines to a descriptor or to syslog. */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LOG_LINE	4096	/* PIPE_BUF: a pipe takes it whole or not */

struct log_level_name {
	const char	*text;		/* padded to equal width */
	int		 priority;	/* syslog's */
};

static const struct log_level_name log_levels[] = {
	[LOG_DEBUG_] = { "debug", LOG_DEBUG },
	[LOG_INFO_] = { "info ", LOG_INFO },
	[LOG_WARN_] = { "warn ", LOG_WARNING },
	[LOG_ERROR_] = { "error", LOG_ERR },
	[LOG_CRIT_] = { "crit ", LOG_CRIT },
};

struct log_facility {
	const char	*name;
	int		 value;
};

static const struct log_facility log_facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV },
	{ "cron", LOG_CRON }, { "daemon", LOG_DAEMON }, { "ftp", LOG_FTP },
	{ "kern", LOG_KERN }, { "lpr", LOG_LPR }, { "mail", LOG_MAIL },
	{ "news", LOG_NEWS }, { "syslog", LOG_SYSLOG }, { "user", LOG_USER },
	{ "uucp", LOG_UUCP }, { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
};

/* How a write to the descriptor is kept from blocking. */
enum log_kind { LOG_PLAIN, LOG_SOCKET, LOG_PIPE };

/* The watchdog thread logs too, so what changes at run time is atomic. */
static struct {
	int			 fd;		/* -1 for syslog */
	enum log_kind		 kind;		/* of fd */
	_Atomic(enum log_level)	 level;
	_Atomic(uint64_t)	 dropped;	/* since the start */
	_Atomic(uint64_t)	 untold;	/* of these, not yet logged */
	char			 ident[64];	/* syslog keeps the pointer */
} log_state = { .fd = STDERR_FILENO, .level = LOG_INFO_ };

/* A line being made. What does not fit is left out, and len says the size. */
struct log_text {
	char	s[LOG_LINE];
	size_t	len;
};

static void	log_text_vadd(struct log_text *, const char *, va_list)
		    PRINTFLIKE(2, 0);
static void	log_text_add(struct log_text *, const char *, ...)
		    PRINTFLIKE(2, 3);
static void	log_vput(enum log_level, bool, const char *, va_list)
		    PRINTFLIKE(3, 0);

static enum log_kind
log_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return LOG_PLAIN;
	if (S_ISSOCK(st.st_mode))
		return LOG_SOCKET;
	if (S_ISFIFO(st.st_mode) && !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return LOG_PIPE;
	return LOG_PLAIN;
}

void
log_to(int fd, enum log_level level)
{
	int saved = errno;

	log_state.fd = fd;
	log_state.kind = log_kind(fd);
	log_state.level = level;
	errno = saved;
}

int
log_facility(const char *name)
{
	size_t i;

	for (i = 0; i < nitems(log_facilities); i++)
		if (strcmp(log_facilities[i].name, name) == 0)
			return log_facilities[i].value;
	return -1;
}

int
log_to_syslog(const char *facility, const char *ident, struct err *err)
{
	int value = log_facility(facility);

	if (value == -1)
		return err_set(err, "syslog has no facility %s", facility);
	snprintf(log_state.ident, sizeof(log_state.ident), "%s", ident);
	openlog(log_state.ident, LOG_PID | LOG_NDELAY, value);
	log_state.fd = -1;
	return 0;
}

void
log_set_level(enum log_level level)
{
	log_state.level = level;
}

bool
log_is_on(enum log_level level)
{
	return level >= log_state.level;
}

uint64_t
log_dropped(void)
{
	return log_state.dropped;
}

/*
 * The length of the printable UTF-8 character at s, 0 if there is none:
 * neither controls (C0, DEL, C1) nor overlong forms, surrogates, or cut ones.
 */
static size_t
log_char_len(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	uint32_t c;
	size_t n, i;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
		return 0;
	c = s[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

static void
log_escape_byte(char *dst, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	dst[0] = '\\';
	dst[1] = 'x';
	dst[2] = hex[c >> 4];
	dst[3] = hex[c & 15];
}

/*
 * `cut` is the last place where the "..." still fits; it is used only if not
 * all of src does.
 */
size_t
log_escape(char *dst, size_t size, const char *src, size_t len)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t at = 0, cut = 0, i = 0, n, put;

	if (size < sizeof("...")) {
		if (size > 0)
			dst[0] = '\0';
		return 0;
	}
	while (i < len) {
		n = log_char_len(s + i, len - i);
		put = n > 0 ? n : 4;
		if (at + put > size - 1) {
			memcpy(dst + cut, "...", sizeof("..."));
			return cut + 3;
		}
		if (n > 0)
			memcpy(dst + at, s + i, n);
		else
			log_escape_byte(dst + at, s[i]);
		at += put;
		i += n > 0 ? n : 1;
		if (at + 3 <= size - 1)
			cut = at;
	}
	dst[at] = '\0';
	return at;
}

/*
 * The date of a day since 1970, as Howard Hinnant's civil_from_days has it.
 * gmtime_r takes a lock, which a fork may have left taken.
 */
static void
log_date(int64_t day, int *year, int *month, int *mday)
{
	int64_t z = day + 719468, era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*mday = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

/* "2026-11-24 14:48:08.123 info  [812] ". Returns its length. */
static size_t
log_head(char *out, size_t size, enum log_level level)
{
	struct timespec ts;
	int year, month, mday, sec;

	clock_gettime(CLOCK_REALTIME, &ts);
	log_date(ts.tv_sec / 86400, &year, &month, &mday);
	sec = (int)(ts.tv_sec % 86400);
	return (size_t)snprintf(out, size,
	    "%04d-%02d-%02d %02d:%02d:%02d.%03d %s [%d] ", year, month, mday,
	    sec / 3600, sec / 60 % 60, sec % 60, (int)(ts.tv_nsec / 1000000),
	    log_levels[level].text, (int)getpid());
}

/*
 * A socket (the journal's) is told not to block. A pipe that blocks is one we
 * were started with: setting O_NONBLOCK would set it for everybody who has it,
 * so it is asked for room first, which suffices for what a pipe takes whole.
 * Anything else blocks only if whoever opened it left O_NONBLOCK out.
 */
static ssize_t
log_try_write(const char *line, size_t len)
{
	struct pollfd pfd = { .fd = log_state.fd, .events = POLLOUT };

	switch (log_state.kind) {
	case LOG_SOCKET:
		return send(log_state.fd, line, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	case LOG_PIPE:
		if (poll(&pfd, 1, 0) != 1)
			return 0;
		break;
	case LOG_PLAIN:
		break;
	}
	return write(log_state.fd, line, len);
}

static bool
log_write(const char *line, size_t len)
{
	ssize_t n;

	do
		n = log_try_write(line, len);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)len;
}

/* A whole line of a file. Returns its length. */
static size_t
log_make_line(char *out, size_t size, enum log_level level, const char *text,
    size_t len)
{
	size_t n = log_head(out, size, level);

	n += log_escape(out + n, size - n, text, len);
	out[n++] = '\n';
	return n;
}

static bool
log_put_line(enum log_level level, const char *text, size_t len)
{
	char line[LOG_LINE];

	if (log_state.fd == -1) {
		log_escape(line, sizeof(line), text, len);
		syslog(log_levels[level].priority, "%s", line);
		return true;
	}
	return log_write(line, log_make_line(line, sizeof(line), level, text,
	    len));
}

/* Say how many lines were lost; keep counting if this one is lost as well. */
static void
log_tell_dropped(void)
{
	uint64_t n = atomic_exchange(&log_state.untold, 0);
	char text[80];
	int len;

	if (n == 0)
		return;
	len = snprintf(text, sizeof(text), "log: %llu line%s dropped",
	    (unsigned long long)n, n == 1 ? "" : "s");
	if (!log_put_line(LOG_WARN_, text, (size_t)len))
		atomic_fetch_add(&log_state.untold, n);
}

static void
log_put(enum log_level level, const char *text, size_t len)
{
	if (unlikely(log_state.untold > 0))
		log_tell_dropped();
	if (!log_put_line(level, text, len)) {
		atomic_fetch_add(&log_state.dropped, 1);
		atomic_fetch_add(&log_state.untold, 1);
	}
}

/* vsnprintf keeps the last byte for its NUL. That a line is full, and so was
 * cut, is shown by log_escape: the head leaves less room than that. */
static void
log_text_vadd(struct log_text *t, const char *fmt, va_list ap)
{
	size_t room = sizeof(t->s) - t->len;
	int n = vsnprintf(t->s + t->len, room, fmt, ap);

	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void
log_text_add(struct log_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text_vadd(t, fmt, ap);
	va_end(ap);
}

/* Bytes as they are, NULs too. */
static void
log_text_put(struct log_text *t, const char *p, size_t n)
{
	if (n > sizeof(t->s) - t->len)
		n = sizeof(t->s) - t->len;
	memcpy(t->s + t->len, p, n);
	t->len += n;
}

static void
log_vput(enum log_level level, bool with_errno, const char *fmt, va_list ap)
{
	struct log_text text;
	int saved = errno;

	if (!log_is_on(level))
		return;
	text.len = 0;
	log_text_vadd(&text, fmt, ap);
	errno = saved;
	if (with_errno)
		log_text_add(&text, ": %m");
	log_put(level, text.s, text.len);
	errno = saved;
}

/* The public functions differ in level and in what they do with errno. */
#define LOG_FUNCTION(name, level, with_errno)				\
void									\
name(const char *fmt, ...)						\
{									\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	log_vput(level, with_errno, fmt, ap);				\
	va_end(ap);							\
}

LOG_FUNCTION(log_debug, LOG_DEBUG_, false)
LOG_FUNCTION(log_info, LOG_INFO_, false)
LOG_FUNCTION(log_warn, LOG_WARN_, true)
LOG_FUNCTION(log_warnx, LOG_WARN_, false)
LOG_FUNCTION(log_error, LOG_ERROR_, true)
LOG_FUNCTION(log_errorx, LOG_ERROR_, false)
LOG_FUNCTION(log_critx, LOG_CRIT_, false)

void
log_fatal(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vput(LOG_CRIT_, true, fmt, ap);
	va_end(ap);
	exit(code);
}

void
log_fatalx(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vput(LOG_CRIT_, false, fmt, ap);
	va_end(ap);
	exit(code);
}

static void
log_put_to(int fd, enum log_level level, const char *text, size_t len)
{
	char line[LOG_LINE];
	size_t n;

	if (fd == -1) {
		log_put(level, text, len);
		return;
	}
	n = log_make_line(line, sizeof(line), level, text, len);
	if (write(fd, line, n) != (ssize_t)n)
		atomic_fetch_add(&log_state.dropped, 1);
}

void
log_block(enum log_level level, const char *prefix, const char *text,
    size_t len)
{
	log_block_to(-1, level, prefix, text, len);
}

void
log_block_to(int fd, enum log_level level, const char *prefix,
    const char *text, size_t len)
{
	const char *end = text + len, *nl;
	struct log_text line;
	int saved = errno;

	if (fd == -1 && !log_is_on(level))
		return;
	for (; text < end; text = nl + 1) {
		if ((nl = memchr(text, '\n', (size_t)(end - text))) == NULL)
			nl = end;
		if (nl == text)
			continue;
		line.len = 0;
		log_text_add(&line, "%s", prefix);
		log_text_put(&line, text, (size_t)(nl - text));
		log_put_to(fd, level, line.s, line.len);
	}
	errno = saved;
}

void
log_rated(struct log_rate *rate, enum log_level level, const char *fmt, ...)
{
	struct log_text text;
	int64_t now = clock_ms(), until;
	int saved = errno;
	uint64_t missed;
	va_list ap;

	if (!log_is_on(level))
		return;
	until = rate->until;
	if (now < until || !atomic_compare_exchange_strong(&rate->until,
	    &until, now + 1000)) {
		atomic_fetch_add(&rate->missed, 1);
		return;
	}
	missed = atomic_exchange(&rate->missed, 0);
	text.len = 0;
	va_start(ap, fmt);
	log_text_vadd(&text, fmt, ap);
	va_end(ap);
	if (missed > 0)
		log_text_add(&text, " (and %llu more before)",
		    (unsigned long long)missed);
	log_put(level, text.s, text.len);
	errno = saved;
}

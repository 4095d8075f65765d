/* SPDX-License-Identifier: MIT */
/*
 * The error log. One event is one line and one write:
 * 2026-11-24 14:48:08.123 info  [812] app blog: worker 3 ready
 * Bytes outside printable UTF-8 are escaped as \xHH, so that no peer can forge
 * a line. errno is kept by every function. A log that cannot be written never
 * blocks: the line is dropped and counted, and the count is logged when
 * writing works again.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_, LOG_CRIT_ };

/*
 * Where lines go: a descriptor (kept, not closed), or syslog where fd is -1.
 * Until it is called: descriptor 2, level info. Open files with O_NONBLOCK;
 * sockets and pipes are kept from blocking here.
 */
void	log_to(int fd, enum log_level);
/* syslog's number for a facility name such as "daemon", -1 if there is none. */
int	log_facility(const char *name);
/* Send lines to syslog(3) at a facility name such as "daemon". */
int	log_to_syslog(const char *facility, const char *ident, struct err *)
	    MUSTCHECK;
void	log_set_level(enum log_level);
bool	log_is_on(enum log_level);
/* Lines dropped because the log could not take them. */
uint64_t log_dropped(void);

/* warn and error add ": strerror(errno)"; warnx and errorx do not. */
void	log_debug(const char *, ...) PRINTFLIKE(1, 2);
void	log_info(const char *, ...) PRINTFLIKE(1, 2);
void	log_warn(const char *, ...) PRINTFLIKE(1, 2);
void	log_warnx(const char *, ...) PRINTFLIKE(1, 2);
void	log_error(const char *, ...) PRINTFLIKE(1, 2);
void	log_errorx(const char *, ...) PRINTFLIKE(1, 2);
void	log_critx(const char *, ...) PRINTFLIKE(1, 2);

/* Log at crit and exit with this code. For boot only. */
void	log_fatal(int, const char *, ...) PRINTFLIKE(2, 3) NORETURN;
void	log_fatalx(int, const char *, ...) PRINTFLIKE(2, 3) NORETURN;

/*
 * A text of several lines (a Python traceback, an application's print): one
 * log line each behind the prefix ("app blog: "), so none can pass for another
 * event. Empty lines are left out.
 */
void	log_block(enum log_level, const char *prefix, const char *text,
	    size_t len);
/*
 * The same into another file, opened as for log_to, whatever the level; -1: the
 * error log.
 */
void	log_block_to(int fd, enum log_level, const char *prefix,
	    const char *text, size_t len);

/*
 * For events a peer can cause: at most one line a second per site, the rest
 * counted and told with the next line. Static storage, zero at start.
 */
struct log_rate {
	_Atomic(int64_t) until;	/* clock_ms when the next line is allowed */
	_Atomic(uint64_t) missed;
};
void	log_rated(struct log_rate *, enum log_level, const char *, ...)
	    PRINTFLIKE(3, 4);

/*
 * Copy src to dst with control and non-UTF-8 bytes escaped, at most size - 1
 * bytes and a NUL; cut text ends in "...". Returns the length written.
 */
size_t	log_escape(char *dst, size_t size, const char *src, size_t len);

#endif

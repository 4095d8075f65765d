/* SPDX-License-Identifier: MIT */
/* The error log: the line, what cannot forge one, and what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#define STAMP	"^[0-9]{4}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:" \
	"[0-6][0-9]\\.[0-9]{3} "

static int fds[2];

static int
open_log(void **state UNUSED)
{
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_to(fds[1], LOG_DEBUG_);
	return 0;
}

static int
close_log(void **state UNUSED)
{
	log_to(STDERR_FILENO, LOG_INFO_);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* All that was logged since the last call. Valid until the next. */
static const char *
logged(void)
{
	static char text[65536];
	ssize_t n = read(fds[0], text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
assert_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" is not like %s", text, pattern);
	regfree(&re);
}

static void
a_line_has_time_level_pid_and_text(void **state UNUSED)
{
	char want[200];

	log_info("app %s: worker %d ready", "blog", 3);
	snprintf(want, sizeof(want), STAMP "info  \\[%d\\] app blog: "
	    "worker 3 ready\n$", (int)getpid());
	assert_matches(logged(), want);
	log_debug("d");
	assert_matches(logged(), STAMP "debug \\[[0-9]+\\] d\n$");
	log_warnx("w");
	assert_matches(logged(), STAMP "warn  \\[[0-9]+\\] w\n$");
	log_errorx("e");
	assert_matches(logged(), STAMP "error \\[[0-9]+\\] e\n$");
	log_critx("c");
	assert_matches(logged(), STAMP "crit  \\[[0-9]+\\] c\n$");
}

/* libc's calendar is the oracle. */
static void
the_date_is_the_calendars(void **state UNUSED)
{
	time_t before = time(NULL), after;
	char a[32], b[32];
	struct tm tm;
	const char *line;

	log_info("now");
	line = logged();
	after = time(NULL);
	strftime(a, sizeof(a), "%F %T", gmtime_r(&before, &tm));
	strftime(b, sizeof(b), "%F %T", gmtime_r(&after, &tm));
	assert_true(strncmp(line, a, 19) >= 0);
	assert_true(strncmp(line, b, 19) <= 0);
}

static void
the_pid_is_that_of_a_forked_process(void **state UNUSED)
{
	char want[64];
	pid_t pid;

	if ((pid = fork()) == 0) {
		log_info("child");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	snprintf(want, sizeof(want), " \\[%d\\] child\n$", (int)pid);
	assert_matches(logged(), want);
}

static void
lesser_levels_are_left_out(void **state UNUSED)
{
	log_set_level(LOG_WARN_);
	log_debug("no");
	log_info("no");
	log_block(LOG_INFO_, "", "no\n", 3);
	assert_string_equal(logged(), "");
	assert_false(log_is_on(LOG_INFO_));
	assert_true(log_is_on(LOG_WARN_));
	log_warnx("yes");
	assert_matches(logged(), "yes");
}

static void
errno_is_told_and_kept(void **state UNUSED)
{
	errno = ENOENT;
	log_warn("open %s", "/x");
	assert_int_equal(errno, ENOENT);
	assert_matches(logged(), "open /x: No such file or directory\n$");
	log_error("again");
	assert_int_equal(errno, ENOENT);
	assert_matches(logged(), "again: No such file or directory\n$");
	log_warnx("without");
	assert_int_equal(errno, ENOENT);
	assert_matches(logged(), "without\n$");
}

static void
no_byte_of_a_peer_forges_a_line(void **state UNUSED)
{
	log_info("uri %s", "/a\nfake\r\t\x1b[31m\x7f");
	assert_matches(logged(),
	    "uri /a\\\\x0afake\\\\x0d\\\\x09\\\\x1b\\[31m\\\\x7f\n$");
}

struct escape {
	const char	*in;
	const char	*out;
};

static void
only_printable_utf8_passes(void **state UNUSED)
{
	static const struct escape cases[] = {
		{ "plain ~", "plain ~" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\xa6\x8c", "\xf0\x9f\xa6\x8c" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xc2\x9b", "\\xc2\\x9b" },		/* C1: CSI */
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "\xc0\x8a", "\\xc0\\x8a" },		/* overlong */
		{ "\xc1\xbf", "\\xc1\\xbf" },
		{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a" },
		{ "\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80" },
		{ "\xe2\x82", "\\xe2\\x82" },		/* cut */
		{ "\x80", "\\x80" },
		{ "\xff", "\\xff" },
		{ "\xc3(", "\\xc3(" },
	};
	char out[64];
	size_t i, n;

	for (i = 0; i < nitems(cases); i++) {
		n = log_escape(out, sizeof(out), cases[i].in,
		    strlen(cases[i].in));
		assert_string_equal(out, cases[i].out);
		assert_int_equal(n, strlen(out));
	}
	log_escape(out, sizeof(out), "a\0b", 3);
	assert_string_equal(out, "a\\x00b");
}

static void
cut_text_ends_in_dots(void **state UNUSED)
{
	char out[16], dst[8];
	size_t n;

	assert_int_equal(log_escape(out, 8, "1234567", 7), 7);
	assert_string_equal(out, "1234567");
	assert_int_equal(log_escape(out, 8, "12345678", 8), 7);
	assert_string_equal(out, "1234...");
	/* Neither an escape nor a character is cut in two. */
	log_escape(out, 8, "12\n\n", 4);
	assert_string_equal(out, "12...");
	log_escape(out, 8, "12\xe2\x82\xac\xe2\x82\xac", 8);
	assert_string_equal(out, "12...");
	log_escape(out, 9, "12\xe2\x82\xac\xe2\x82\xac\n", 9);
	assert_string_equal(out, "12\xe2\x82\xac...");
	for (n = 0; n < sizeof(dst); n++) {
		memset(dst, 'z', sizeof(dst));
		assert_true(n == 0 || log_escape(dst, n, "\n\n\n\n\n", 5) < n);
		assert_int_equal(dst[n], 'z');
	}
	assert_int_equal(log_escape(dst, 1, "a", 1), 0);
	assert_string_equal(dst, "");
}

static void
a_long_line_is_cut_to_what_a_pipe_takes_whole(void **state UNUSED)
{
	static char big[10000];
	const char *line;

	memset(big, 'x', sizeof(big) - 1);
	log_info("%s", big);
	line = logged();
	assert_int_equal(strlen(line), 4096);
	assert_string_equal(line + 4096 - 5, "x...\n");
	errno = ENOENT;
	log_warn("%s", big);
	assert_int_equal(strlen(logged()), 4096);
}

static void
a_block_is_a_line_for_each_of_its_lines(void **state UNUSED)
{
	static const char text[] = "Traceback:\n\n  File \"a\"\x1b\nEnd";

	log_block(LOG_ERROR_, "app x: ", text, sizeof(text) - 1);
	assert_matches(logged(), "error \\[[0-9]+\\] app x: Traceback:\n"
	    "[^\n]*error \\[[0-9]+\\] app x:   File \"a\"\\\\x1b\n"
	    "[^\n]*error \\[[0-9]+\\] app x: End\n$");
	log_block(LOG_ERROR_, "app x: ", "", 0);
	log_block(LOG_ERROR_, "app x: ", "\n\n", 2);
	assert_string_equal(logged(), "");
	log_block(LOG_ERROR_, "", "a\0b\n", 4);
	assert_matches(logged(), "\\] a\\\\x00b\n$");
}

static void
a_peers_events_are_one_line_a_second(void **state UNUSED)
{
	struct log_rate rate = { 0 };
	int i;

	for (i = 0; i < 100; i++)
		log_rated(&rate, LOG_WARN_, "bad version %d", i);
	assert_matches(logged(), "warn  \\[[0-9]+\\] bad version 0\n$");
	assert_int_equal(rate.missed, 99);
	rate.until = 0;			/* a second later */
	log_rated(&rate, LOG_WARN_, "bad version");
	assert_matches(logged(), "bad version \\(and 99 more before\\)\n$");
	assert_int_equal(rate.missed, 0);
}

static void
lines_a_full_pipe_cannot_take_are_counted(void **state UNUSED)
{
	uint64_t before = log_dropped();
	char x[4096] = { 0 };

	while (write(fds[1], x, sizeof(x)) > 0)
		;
	errno = ENOENT;
	log_info("lost");
	log_info("lost too");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(log_dropped() - before, 2);
	while (read(fds[0], x, sizeof(x)) > 0)
		;
	log_info("found");
	assert_matches(logged(), "^[^\n]*warn  [^\n]*log: 2 lines dropped\n"
	    "[^\n]*info  [^\n]*found\n$");
	assert_int_equal(log_dropped() - before, 2);
	log_info("more");
	assert_matches(logged(), STAMP "info [^\n]*more\n$");
}

/* Standard error is often one that others share, so it stays as it was. */
static void
a_full_pipe_that_blocks_does_not_block_us(void **state UNUSED)
{
	uint64_t before = log_dropped();
	int flags = fcntl(fds[1], F_GETFL) & ~O_NONBLOCK;

	assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
	log_to(fds[1], LOG_INFO_);
	while (log_dropped() == before)
		log_info("fill");
	assert_int_equal(fcntl(fds[1], F_GETFL), flags);
	while (strlen(logged()) > 0)
		;
	log_info("room again");
	assert_matches(logged(), "1 line dropped\n[^\n]*room again\n$");
}

static void
a_full_or_closed_socket_does_not_block(void **state UNUSED)
{
	uint64_t before = log_dropped();
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	log_to(pair[1], LOG_INFO_);
	while (log_dropped() == before)
		log_info("fill");
	close(pair[0]);
	log_info("nobody reads");	/* EPIPE, and no signal */
	assert_true(log_dropped() - before >= 2);
	close(pair[1]);
}

static void
syslog_facilities_have_names(void **state UNUSED)
{
	struct err err;

	assert_int_equal(log_to_syslog("local7", "saola-test", &err), 0);
	assert_int_equal(log_to_syslog("auth", "saola-test", &err), 0);
	assert_int_equal(log_to_syslog("nowhere", "x", &err), -1);
	assert_string_equal(err.text, "syslog has no facility nowhere");
}

static void
fatal_ends_the_process_with_its_code(void **state UNUSED)
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		errno = EACCES;
		log_fatal(3, "cannot boot");
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_matches(logged(), "crit  \\[[0-9]+\\] cannot boot: "
	    "Permission denied\n$");
}

static void
sentences_take_a_prefix_and_keep_their_code(void **state UNUSED)
{
	char big[2000];
	struct err err;

	errno = ENOENT;
	assert_int_equal(err_set(&err, "no %s", "bind"), -1);
	assert_int_equal(err.code, 1);
	assert_int_equal(err_setc(&err, 2, "no bind"), -1);
	assert_int_equal(err_prefix(&err, "%s:%d", "a.conf", 3), -1);
	assert_string_equal(err.text, "a.conf:3: no bind");
	assert_int_equal(err.code, 2);
	assert_int_equal(errno, ENOENT);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_prefix(&err, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_prefix(&err, "y");
	assert_memory_equal(err.text, "y: xxx", 6);
}

#define LOG_TEST(f)	cmocka_unit_test_setup_teardown(f, open_log, close_log)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(a_line_has_time_level_pid_and_text),
		LOG_TEST(the_date_is_the_calendars),
		LOG_TEST(the_pid_is_that_of_a_forked_process),
		LOG_TEST(lesser_levels_are_left_out),
		LOG_TEST(errno_is_told_and_kept),
		LOG_TEST(no_byte_of_a_peer_forges_a_line),
		LOG_TEST(only_printable_utf8_passes),
		LOG_TEST(cut_text_ends_in_dots),
		LOG_TEST(a_long_line_is_cut_to_what_a_pipe_takes_whole),
		LOG_TEST(a_block_is_a_line_for_each_of_its_lines),
		LOG_TEST(a_peers_events_are_one_line_a_second),
		LOG_TEST(lines_a_full_pipe_cannot_take_are_counted),
		LOG_TEST(a_full_pipe_that_blocks_does_not_block_us),
		LOG_TEST(a_full_or_closed_socket_does_not_block),
		LOG_TEST(syslog_facilities_have_names),
		LOG_TEST(fatal_ends_the_process_with_its_code),
		LOG_TEST(sentences_take_a_prefix_and_keep_their_code),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

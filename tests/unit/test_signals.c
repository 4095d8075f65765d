/* SPDX-License-Identifier: MIT */
/* Signal names, and what a child starts with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "os/signals.h"

static volatile sig_atomic_t seen;

static void
on_signal(int signo)
{
	seen = signo;
}

static void
signals_have_names(void **state UNUSED)
{
	assert_string_equal(signals_name(SIGKILL), "SIGKILL");
	assert_string_equal(signals_name(SIGSEGV), "SIGSEGV");
	assert_string_equal(signals_name(SIGRTMIN + 2), "SIGRTMIN+2");
	assert_string_equal(signals_name(0), "signal 0");
	assert_string_equal(signals_name(12345), "signal 12345");
}

/* One sent while all are blocked is handled by the child's own table. */
static void
a_child_starts_with_its_own_table(void **state UNUSED)
{
	static const struct signal_action table[] = {
		{ SIGUSR1, on_signal, SA_RESTART }
	};
	struct sigaction sa = { .sa_handler = signals_nothing };
	sigset_t was, now;
	int status;
	pid_t pid;

	sigaction(SIGUSR2, &sa, NULL);
	signals_block(&was);
	pid = fork();
	if (pid == 0) {
		raise(SIGUSR1);
		raise(SIGPIPE);
		if (seen != 0)
			_exit(1);
		signals_start(table, nitems(table));
		if (seen != SIGUSR1)
			_exit(2);
		pthread_sigmask(SIG_BLOCK, NULL, &now);
		if (sigismember(&now, SIGTERM))
			_exit(3);
		raise(SIGUSR2);
		_exit(4);
	}
	signals_unblock(&was);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGUSR2);
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	assert_false(sigismember(&now, SIGTERM));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(a_child_starts_with_its_own_table),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}

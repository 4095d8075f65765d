/* SPDX-License-Identifier: MIT */
/* Names, masks and tables of signals. */
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "os/signals.h"

const char *
signals_name(int signo)
{
	static char name[24];
	const char *abbrev = sigabbrev_np(signo);

	if (abbrev != NULL)
		snprintf(name, sizeof(name), "SIG%s", abbrev);
	else if (signo >= SIGRTMIN && signo <= SIGRTMAX)
		snprintf(name, sizeof(name), "SIGRTMIN+%d", signo - SIGRTMIN);
	else
		snprintf(name, sizeof(name), "signal %d", signo);
	return name;
}

void
signals_block(sigset_t *was)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, was);
}

void
signals_unblock(const sigset_t *was)
{
	pthread_sigmask(SIG_SETMASK, was, NULL);
}

void
signals_unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void
signals_install(const struct signal_action *table, size_t n)
{
	struct sigaction sa;
	size_t i;

	for (i = 0; i < n; i++) {
		memset(&sa, 0, sizeof(sa));
		sa.sa_handler = table[i].handler;
		sa.sa_flags = table[i].flags;
		sigaction(table[i].signo, &sa, NULL);
	}
}

void
signals_start(const struct signal_action *table, size_t n)
{
	struct sigaction deflt = { .sa_handler = SIG_DFL };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int signo;

	for (signo = 1; signo <= SIGRTMAX; signo++)
		sigaction(signo, &deflt, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	signals_install(table, n);
	signals_unblock_all();
}

void
signals_nothing(int signo UNUSED)
{
}

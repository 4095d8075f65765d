/* SPDX-License-Identifier: MIT */
/*
 * Stacks by faulthandler, which needs neither the GIL nor memory: a signal
 * makes the thread that is stuck write them itself. It writes into a memory
 * file, which takes it all without waiting, and says when it is done.
 *
 * Its own stack a thread may walk at any time. Those of others hold still only
 * while somebody keeps the GIL from them: the aide, where it can take it, else
 * the C code that does not give it back.
 */
#include "python/py.h"

#include <sys/mman.h>

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "python/gateway.h"
#include "python/py_abort.h"
#include "python/py_dump.h"

#define DUMP_ONE	(SIGRTMAX - 2)
#define DUMP_ALL	(SIGRTMAX - 3)
#define DUMP_WAIT_NS	200000000

static struct {
	PyObject	*faulthandler;
	int		 fd;		/* the memory file */
	sem_t		 done;		/* a thread has written */
	pthread_t	 via;		/* the thread that is to write all */
	_Atomic(pthread_t) by;		/* the one that wrote last */
	void		(*write[2])(int);	/* faulthandler's handlers */
} dump;

/* In the thread that is asked. */
static void
dump_on_signal(int signo)
{
	int saved = errno;

	dump.write[signo == DUMP_ALL](signo);
	dump.by = pthread_self();
	sem_post(&dump.done);
	errno = saved;
}

/* Have faulthandler's handler made, and put ours before it. */
static int
dump_register(int signo, bool all)
{
	struct sigaction sa;
	PyObject *res;

	res = PyObject_CallMethod(dump.faulthandler, "register", "iiii",
	    signo, dump.fd, all, false);
	if (res == NULL)
		return -1;
	Py_DECREF(res);
	sigaction(signo, NULL, &sa);
	dump.write[all] = sa.sa_handler;
	sa.sa_handler = dump_on_signal;
	sigaction(signo, &sa, NULL);
	return 0;
}

/* An import writes to pages that workers share: not in each of them. */
int
py_dump_init(void)
{
	dump.faulthandler = PyImport_ImportModule("faulthandler");
	return dump.faulthandler != NULL ? 0 : -1;
}

int
py_dump_init_worker(void)
{
	dump.fd = memfd_create("stacks", MFD_CLOEXEC);
	if (dump.fd == -1 || sem_init(&dump.done, 0, 0) == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	if (dump_register(DUMP_ONE, false) == -1)
		return -1;
	return dump_register(DUMP_ALL, true);
}

/* Until this thread has written, or it is clear that it will not. */
static bool
dump_wait(pthread_t thread)
{
	const struct timespec until = clock_in(DUMP_WAIT_NS);

	for (;;) {
		if (sem_clockwait(&dump.done, CLOCK_MONOTONIC, &until) == 0) {
			if (pthread_equal(dump.by, thread))
				return true;
		} else if (errno != EINTR)
			return false;
	}
}

static bool
dump_ask(pthread_t thread, int signo)
{
	while (sem_trywait(&dump.done) == 0)
		;
	return pthread_kill(thread, signo) == 0 && dump_wait(thread);
}

static void
dump_rewind(void)
{
	if (ftruncate(dump.fd, 0) == 0)
		lseek(dump.fd, 0, SEEK_SET);
}

static size_t
dump_read(char *out, size_t size)
{
	ssize_t n = pread(dump.fd, out, size - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

size_t
py_dump_thread(pthread_t thread, char *out, size_t size)
{
	dump_rewind();
	dump_ask(thread, DUMP_ONE);
	return dump_read(out, size);
}

void
py_dump_with_gil(void)
{
	dump_ask(dump.via, DUMP_ALL);
}

/* The end of a thread's part: an empty line, or the end of it all. */
static char *
dump_part_end(char *p)
{
	char *end = strstr(p, "\n\n");

	return end != NULL ? end + 2 : p + strlen(p);
}

/* Leave out threads that run no Python, and the one that is known already. */
static size_t
dump_filter(char *text)
{
	char *from = text, *to = text, *end;
	size_t n;

	for (; *from != '\0'; from = end) {
		end = dump_part_end(from);
		n = (size_t)(end - from);
		if (strncmp(from, "Current thread", 14) == 0 ||
		    memmem(from, n, "<no Python frame>", 17) != NULL)
			continue;
		memmove(to, from, n);
		to += n;
	}
	*to = '\0';
	return (size_t)(to - text);
}

size_t
py_dump_others(pthread_t via, char *out, size_t size)
{
	dump_rewind();
	dump.via = via;
	if (!py_aide_dump(DUMP_WAIT_NS))
		dump_ask(via, DUMP_ALL);
	dump_read(out, size);
	return dump_filter(out);
}

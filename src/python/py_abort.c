/* SPDX-License-Identifier: MIT */
/*
 * The exception that ends a request past its deadline. In the main thread a
 * signal whose Python handler raises ends a sleep, a lock and most system
 * calls at once. In other threads only PyThreadState_SetAsyncExc can, which is
 * seen when the C code a thread is in returns, and needs the GIL: so a thread
 * of its own waits for that, the aide. Both look, under the GIL, whether the
 * request is still the one that was meant.
 */
#include "python/py_abort.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "python/gateway.h"
#include "python/py_dump.h"
#include "python/wsgi.h"
#include "req/req.h"
#include "req/run.h"

#define ABORT_SIGNAL	(SIGRTMAX - 4)
#define AIDE_STACK	(128 * 1024)
#define AIDE_RUNS	4096

static PyObject *abort_type;
static PyObject *abort_module;	/* _signal: signal itself makes enums first */
static pthread_t abort_main;	/* Python's main thread */

PyDoc_STRVAR(abort_doc,
"The running request is over its timeout: its client has had a 504, or half\n"
"a response, and sees nothing of what it still does. Like SystemExit it is no\n"
"Exception, so that \"except Exception\" lets it pass: clean up, and let it\n"
"go on. In a threaded worker it comes when a call into C code returns.");

int
py_abort_init(void)
{
	abort_type = PyErr_NewExceptionWithDoc("saola.RequestTimeout",
	    abort_doc, PyExc_BaseException, NULL);
	abort_module = PyImport_ImportModule("_signal");
	return abort_type != NULL && abort_module != NULL ? 0 : -1;
}

PyObject *
py_abort_type(void)
{
	return abort_type;
}

/* Once, in the request that was meant, while it is in Python. */
static bool
abort_is_due(const struct run *run)
{
	return run->inside != 0 && run->abort == run->inside &&
	    run->raised != run->inside;
}

/* The handler of the signal; the interpreter calls it in its main thread. */
static PyObject *
abort_on_signal(PyObject *self UNUSED, PyObject *args UNUSED)
{
	const struct req *req = wsgi_current();
	struct run *run = req != NULL ? req->run : NULL;

	if (run == NULL || !abort_is_due(run))
		Py_RETURN_NONE;
	run->raised = run->inside;
	PyErr_SetString(abort_type, "the request is over its timeout");
	return NULL;
}

static PyMethodDef abort_handler = {
	"request_timeout", abort_on_signal, METH_VARARGS, NULL
};

int
py_abort_init_worker(void)
{
	PyObject *handler, *res = NULL;

	abort_main = pthread_self();
	handler = PyCFunction_New(&abort_handler, NULL);
	if (handler != NULL)
		res = PyObject_CallMethod(abort_module, "signal", "iO",
		    ABORT_SIGNAL, handler);
	Py_XDECREF(handler);
	Py_XDECREF(res);
	return res != NULL ? 0 : -1;
}

bool
py_abort_enter(struct run *run)
{
	uint64_t number = run_number(atomic_load_explicit(&run->claim,
	    memory_order_relaxed));

	if (unlikely(run->abort == number))
		return false;
	run->inside = number;
	return true;
}

void
py_abort_leave(struct run *run)
{
	/* Raised, and not yet seen by this thread: not in what follows. */
	if (unlikely(run->raised == run->inside))
		PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), NULL);
	run->inside = 0;
}

bool
py_abort_is_ours(const struct run *run)
{
	return run != NULL && run->raised == run->inside &&
	    PyErr_ExceptionMatches(abort_type);
}

/* What is wanted of the aide. */
static struct {
	bool		 started;
	sem_t		 work, dumped;
	pthread_mutex_t	 lock;			/* of runs */
	struct run	*runs[AIDE_RUNS];	/* to be raised in */
	unsigned	 nruns;
	_Atomic bool	 dump, busy;
} aide = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct run *
aide_take_run(void)
{
	struct run *run = NULL;

	pthread_mutex_lock(&aide.lock);
	if (aide.nruns > 0)
		run = aide.runs[--aide.nruns];
	pthread_mutex_unlock(&aide.lock);
	return run;
}

/* With the GIL. */
static void
aide_work(void)
{
	struct run *run;

	if (atomic_exchange(&aide.dump, false)) {
		py_dump_with_gil();
		sem_post(&aide.dumped);
	}
	while ((run = aide_take_run()) != NULL) {
		if (!abort_is_due(run))
			continue;
		run->raised = run->inside;
		PyThreadState_SetAsyncExc((unsigned long)run->thread,
		    abort_type);
	}
}

static void *
aide_run(void *arg UNUSED)
{
	PyGILState_STATE gil;

	for (;;) {
		aide.busy = false;
		while (sem_wait(&aide.work) == -1)
			;
		aide.busy = true;
		gil = PyGILState_Ensure();
		aide_work();
		PyGILState_Release(gil);
	}
	return NULL;
}

/* Once it is needed. The watchdog alone asks, and has signals blocked. */
static bool
aide_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (aide.started)
		return true;
	sem_init(&aide.work, 0, 0);
	sem_init(&aide.dumped, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, AIDE_STACK);
	aide.started = pthread_create(&thread, &attr, aide_run, NULL) == 0;
	pthread_attr_destroy(&attr);
	if (!aide.started)
		log_errorx("%sno thread to end a request with", py_prefix());
	return aide.started;
}

bool
py_aide_dump(int64_t ns)
{
	const struct timespec until = clock_in(ns);

	if (aide.busy || !aide_start())
		return false;
	while (sem_trywait(&aide.dumped) == 0)
		;
	aide.dump = true;
	sem_post(&aide.work);
	while (sem_clockwait(&aide.dumped, CLOCK_MONOTONIC, &until) == -1)
		if (errno != EINTR)
			/* Still waiting: the stacks are had otherwise. */
			return !atomic_exchange(&aide.dump, false);
	return true;
}

/* A run that is there already was not noticed by the aide, and will be. */
static void
aide_add_run(struct run *run)
{
	unsigned i;

	pthread_mutex_lock(&aide.lock);
	for (i = 0; i < aide.nruns && aide.runs[i] != run; i++)
		;
	if (i == aide.nruns && i < AIDE_RUNS)
		aide.runs[aide.nruns++] = run;
	pthread_mutex_unlock(&aide.lock);
	sem_post(&aide.work);
}

bool
py_abort(struct run *run, uint64_t number)
{
	if (run->raised == number)
		return false;
	run->abort = number;
	if (pthread_equal(run->thread, abort_main)) {
		pthread_kill(run->thread, ABORT_SIGNAL);
		return true;
	}
	if (aide_start())
		aide_add_run(run);
	return false;
}

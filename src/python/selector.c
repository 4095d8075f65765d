/* SPDX-License-Identifier: MIT */
/*
 * asyncio's face of the poll core: the interface, the results and the errors
 * of selectors.EpollSelector. It takes the GIL back once per batch of events.
 */
#include "python/selector.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>

#include "base/clock.h"
#include "event/pollcore.h"
#include "python/wakeup.h"

#define SELECTOR_BOTH	(POLLEV_READ | POLLEV_WRITE)
#define SELECTOR_LONG	((double)INT32_MAX)	/* seconds: for ever */

/* A registered descriptor. */
struct selector_entry {
	struct pollev	*ev;
	PyObject	*key;		/* SelectorKey */
	PyObject	*pairs[3];	/* (key, 1), (key, 2), (key, 3), as used */
	unsigned	 events;	/* of the key, those there are */
	int		 fd;
};

struct selector {
	PyObject_HEAD
	struct pollcore		*core;		/* NULL once closed */
	bool			 owned;		/* the core is ours */
	bool			 waiting;	/* in a wait, without the GIL */
	unsigned long		 main;		/* ident of the main thread */
	struct selector_entry	**byfd;
	int			 nfds;
	Py_ssize_t		 n;		/* entries */
	struct selector_hooks	 hooks;
	PyObject		*dict;
	PyObject		*weakrefs;
};

/* What get_map() returns: a read-only view of a selector. */
struct selector_map {
	PyObject_HEAD
	struct selector	*selector;
};

static struct {
	PyTypeObject	*type, *map_type;
	PyTypeObject	*key_type;	/* selectors.SelectorKey */
} sel;

/* "fileobj" and its kin, by position or by name, as a Python function does. */
struct selector_args {
	const char	*name;
	const char	*names[3];
	Py_ssize_t	 min, max;
};

static int
selector_arg_named(const struct selector_args *spec, PyObject *name,
    PyObject *value, PyObject **out)
{
	Py_ssize_t i;

	for (i = 0; i < spec->max; i++) {
		if (!PyUnicode_CompareWithASCIIString(name, spec->names[i])) {
			if (out[i] == NULL) {
				out[i] = value;
				return 0;
			}
			PyErr_Format(PyExc_TypeError, "%s() got multiple "
			    "values for argument '%U'", spec->name, name);
			return -1;
		}
	}
	PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword "
	    "argument '%U'", spec->name, name);
	return -1;
}

/* Borrowed references to out[max]; NULL where an optional one is missing. */
static int
selector_args(const struct selector_args *spec, PyObject *const *args,
    Py_ssize_t n, PyObject *names, PyObject **out)
{
	Py_ssize_t i, named = names != NULL ? PyTuple_GET_SIZE(names) : 0;

	if (n > spec->max) {
		PyErr_Format(PyExc_TypeError, "%s() takes at most %zd "
		    "arguments (%zd given)", spec->name, spec->max, n);
		return -1;
	}
	for (i = 0; i < spec->max; i++)
		out[i] = i < n ? args[i] : NULL;
	for (i = 0; i < named; i++)
		if (selector_arg_named(spec, PyTuple_GET_ITEM(names, i),
		    args[n + i], out) == -1)
			return -1;
	for (i = 0; i < spec->min; i++) {
		if (out[i] == NULL) {
			PyErr_Format(PyExc_TypeError, "%s() missing required "
			    "argument '%s'", spec->name, spec->names[i]);
			return -1;
		}
	}
	return 0;
}

/*
 * libevent has no locks, so what another thread does while we wait would break
 * it. asyncio says not to; with epoll alone it happens to work.
 */
static int
selector_check(const struct selector *s)
{
	if (unlikely(s->core == NULL)) {
		PyErr_SetString(PyExc_ValueError,
		    "I/O operation on closed selector");
		return -1;
	}
	if (unlikely(s->waiting)) {
		PyErr_SetString(PyExc_RuntimeError, "the selector is waiting "
		    "in another thread: use loop.call_soon_threadsafe()");
		return -1;
	}
	return 0;
}

static int
selector_fd_of_int(PyObject *number, int *fd)
{
	int overflow;
	long n = PyLong_AsLongAndOverflow(number, &overflow);

	if (n == -1 && PyErr_Occurred() != NULL)
		return -1;
	if (overflow < 0 || (overflow == 0 && n < 0)) {
		PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %S",
		    number);
		return -1;
	}
	*fd = overflow != 0 || n > INT_MAX ? INT_MAX : (int)n;
	return 0;
}

/* The rules of selectors._fileobj_to_fd. Numbers too large become INT_MAX. */
static int
selector_fd(PyObject *fileobj, int *fd)
{
	PyObject *result, *number;
	int res;

	if (PyLong_Check(fileobj))
		return selector_fd_of_int(fileobj, fd);
	number = NULL;
	if ((result = PyObject_CallMethod(fileobj, "fileno", NULL)) != NULL) {
		number = PyNumber_Long(result);
		Py_DECREF(result);
	}
	if (number == NULL) {
		if (PyErr_ExceptionMatches(PyExc_AttributeError) ||
		    PyErr_ExceptionMatches(PyExc_TypeError) ||
		    PyErr_ExceptionMatches(PyExc_ValueError)) {
			PyErr_Clear();
			PyErr_Format(PyExc_ValueError,
			    "Invalid file object: %R", fileobj);
		}
		return -1;
	}
	res = selector_fd_of_int(number, fd);
	Py_DECREF(number);
	return res;
}

static struct selector_entry *
selector_at(const struct selector *s, int fd)
{
	return fd < s->nfds ? s->byfd[fd] : NULL;
}

/* A closed file has no number any more, but may be registered still. */
static struct selector_entry *
selector_find_object(const struct selector *s, PyObject *fileobj)
{
	struct selector_entry *e;
	int fd;

	for (fd = 0; fd < s->nfds; fd++)
		if ((e = s->byfd[fd]) != NULL &&
		    PyTuple_GET_ITEM(e->key, 0) == fileobj)
			return e;
	return NULL;
}

/* Its number, or the one it had. ValueError for what cannot be a file. */
static int
selector_lookup(const struct selector *s, PyObject *fileobj, int *fd)
{
	struct selector_entry *e;

	if (selector_fd(fileobj, fd) == 0)
		return 0;
	if (!PyErr_ExceptionMatches(PyExc_ValueError) ||
	    (e = selector_find_object(s, fileobj)) == NULL)
		return -1;
	PyErr_Clear();
	*fd = e->fd;
	return 0;
}

/* NULL with KeyError where it is unknown. */
static struct selector_entry *
selector_find(const struct selector *s, PyObject *fileobj)
{
	struct selector_entry *e;
	PyObject *text;
	int fd;

	if (selector_lookup(s, fileobj, &fd) == -1)
		return NULL;
	if ((e = selector_at(s, fd)) != NULL)
		return e;
	text = PyUnicode_FromFormat("%R is not registered", fileobj);
	if (text != NULL)
		PyErr_SetObject(PyExc_KeyError, text);
	Py_XDECREF(text);
	return NULL;
}

/* A named tuple without its constructor, which is Python. */
static PyObject *
selector_key_new(PyObject *fileobj, PyObject *fd, PyObject *events,
    PyObject *data)
{
	PyObject *items[4] = { fileobj, fd, events, data }, *key;
	int i;

	if ((key = sel.key_type->tp_alloc(sel.key_type, 4)) == NULL)
		return NULL;
	for (i = 0; i < 4; i++) {
		Py_INCREF(items[i]);
		PyTuple_SET_ITEM(key, i, items[i]);
	}
	return key;
}

static void
selector_entry_free(struct selector_entry *e)
{
	size_t i;

	pollev_free(e->ev);
	for (i = 0; i < nitems(e->pairs); i++)
		Py_XDECREF(e->pairs[i]);
	Py_DECREF(e->key);
	free(e);
}

static void
selector_remove(struct selector *s, struct selector_entry *e)
{
	s->byfd[e->fd] = NULL;
	s->n--;
	selector_entry_free(e);
}

static int
selector_grow(struct selector *s, int fd)
{
	struct selector_entry **byfd;
	int n = s->nfds > 0 ? s->nfds : 64;

	while (n <= fd)
		n *= 2;
	byfd = realloc(s->byfd, (size_t)n * sizeof(*byfd));
	if (byfd == NULL)
		return -1;
	memset(byfd + s->nfds, 0, (size_t)(n - s->nfds) * sizeof(*byfd));
	s->byfd = byfd;
	s->nfds = n;
	return 0;
}

/* -1 with an exception set. */
static int
selector_add(struct selector *s, int fd, unsigned events, PyObject *key)
{
	struct selector_entry *e;

	if ((e = calloc(1, sizeof(*e))) == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	Py_INCREF(key);
	e->key = key;
	e->fd = fd;
	e->events = events;
	e->ev = pollev_fd(s->core, fd, events, NULL, e);
	/* Behind it: only a number that is open may size the table. */
	if (e->ev == NULL || (fd >= s->nfds && selector_grow(s, fd) == -1)) {
		PyErr_SetFromErrno(PyExc_OSError);
		selector_entry_free(e);
		return -1;
	}
	s->byfd[fd] = e;
	s->n++;
	return 0;
}

/* The bits that were asked for, which must be some of those there are. */
static int
selector_events(PyObject *events, unsigned *out)
{
	int overflow;
	long n = PyLong_AsLongAndOverflow(events, &overflow);

	if (n == -1 && PyErr_Occurred() != NULL) {
		if (PyObject_IsTrue(events) != 0)
			return -1;
		PyErr_Clear();
	}
	if (overflow != 0 || n <= 0 || (n & ~SELECTOR_BOTH) != 0) {
		PyErr_Format(PyExc_ValueError, "Invalid events: %R", events);
		return -1;
	}
	*out = (unsigned)n;
	return 0;
}

static int
selector_check_new(const struct selector *s, PyObject *fileobj, int fd)
{
	PyObject *text;

	if (selector_at(s, fd) == NULL)
		return selector_check(s);
	text = PyUnicode_FromFormat("%R (FD %d) is already registered",
	    fileobj, fd);
	if (text != NULL)
		PyErr_SetObject(PyExc_KeyError, text);
	Py_XDECREF(text);
	return -1;
}

static PyObject *
selector_register(struct selector *s, PyObject *const *argv, Py_ssize_t n,
    PyObject *names)
{
	static const struct selector_args spec = { "register",
	    { "fileobj", "events", "data" }, 2, 3 };
	PyObject *args[3], *key, *number;
	unsigned events;
	int fd;

	if (selector_args(&spec, argv, n, names, args) == -1 ||
	    selector_events(args[1], &events) == -1 ||
	    selector_lookup(s, args[0], &fd) == -1 ||
	    (number = PyLong_FromLong(fd)) == NULL)
		return NULL;
	key = selector_key_new(args[0], number, args[1],
	    args[2] != NULL ? args[2] : Py_None);
	Py_DECREF(number);
	if (key != NULL && (selector_check_new(s, args[0], fd) == -1 ||
	    selector_add(s, fd, events, key) == -1))
		Py_CLEAR(key);
	return key;
}

static PyObject *
selector_unregister(struct selector *s, PyObject *fileobj)
{
	struct selector_entry *e;
	PyObject *key;

	if ((e = selector_find(s, fileobj)) == NULL ||
	    selector_check(s) == -1)
		return NULL;
	key = e->key;
	Py_INCREF(key);
	selector_remove(s, e);
	return key;
}

/* Wait for other events. What fails leaves the descriptor unregistered. */
static int
selector_change(struct selector *s, struct selector_entry *e, unsigned events)
{
	if (pollev_set(e->ev, events) == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		selector_remove(s, e);
		return -1;
	}
	e->events = events;
	return 0;
}

/* Takes the key. */
static void
selector_set_key(struct selector_entry *e, PyObject *key)
{
	PyObject *pairs[3], *old = e->key;
	size_t i;

	memcpy(pairs, e->pairs, sizeof(pairs));
	memset(e->pairs, 0, sizeof(e->pairs));
	e->key = key;
	/* From here on e may be gone: destructors run anything. */
	for (i = 0; i < nitems(pairs); i++)
		Py_XDECREF(pairs[i]);
	Py_DECREF(old);
}

/* Unlike register(), stock modify() takes any events, 0 as well. */
static PyObject *
selector_modify(struct selector *s, PyObject *const *argv, Py_ssize_t n,
    PyObject *names)
{
	static const struct selector_args spec = { "modify",
	    { "fileobj", "events", "data" }, 2, 3 };
	PyObject *args[3], *key;
	struct selector_entry *e;
	unsigned events;

	if (selector_args(&spec, argv, n, names, args) == -1)
		return NULL;
	events = (unsigned)PyLong_AsUnsignedLongMask(args[1]) & SELECTOR_BOTH;
	if (PyErr_Occurred() != NULL ||
	    (e = selector_find(s, args[0])) == NULL || selector_check(s) == -1)
		return NULL;
	key = selector_key_new(PyTuple_GET_ITEM(e->key, 0),
	    PyTuple_GET_ITEM(e->key, 1), args[1],
	    args[2] != NULL ? args[2] : Py_None);
	/* Again, see selector_pair. */
	if (key == NULL || (e = selector_find(s, args[0])) == NULL ||
	    (events != e->events && selector_change(s, e, events) == -1)) {
		Py_XDECREF(key);
		return NULL;
	}
	Py_INCREF(key);
	selector_set_key(e, key);
	return key;
}

static PyObject *
selector_get_key(struct selector *s, PyObject *fileobj)
{
	struct selector_entry *e;

	if (s->core == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "Selector is closed");
		return NULL;
	}
	if ((e = selector_find(s, fileobj)) == NULL)
		return NULL;
	Py_INCREF(e->key);
	return e->key;
}

static PyObject *
selector_get_map(struct selector *s, PyObject *none UNUSED)
{
	struct selector_map *map;

	if (s->core == NULL)
		Py_RETURN_NONE;
	map = (struct selector_map *)sel.map_type->tp_alloc(sel.map_type, 0);
	if (map != NULL) {
		Py_INCREF(s);
		map->selector = s;
	}
	return (PyObject *)map;
}

/* None is for ever, a millionth of a second is the shortest wait. */
static int
selector_timeout(PyObject *timeout, int64_t *ns)
{
	double seconds;
	int64_t us;

	*ns = -1;
	if (timeout == NULL || timeout == Py_None)
		return 0;
	seconds = PyFloat_AsDouble(timeout);
	if (seconds == -1.0 && PyErr_Occurred() != NULL)
		return -1;
	if (isnan(seconds)) {
		PyErr_SetString(PyExc_ValueError, "timeout is not a number");
		return -1;
	}
	if (seconds <= 0)
		*ns = 0;
	else if (seconds < SELECTOR_LONG) {
		us = (int64_t)(seconds * 1e6);
		us += (double)us < seconds * 1e6;
		*ns = us * 1000;
	}
	return 0;
}

static int
selector_wait_unlocked(struct selector *s, int64_t ns)
{
	int why, saved;

	s->waiting = true;
	Py_BEGIN_ALLOW_THREADS
	why = pollcore_wait(s->core, ns);
	saved = errno;
	Py_END_ALLOW_THREADS
	s->waiting = false;
	errno = saved;
	return why;
}

/* What came while the wake-up descriptor was ours. */
static void
selector_pass_signals(struct selector *s)
{
	uint8_t numbers[64];

	wakeup_pass(numbers, pollcore_signals(s->core, numbers,
	    sizeof(numbers)));
}

/*
 * Wait in the main thread: signals with a Python handler have to end it, and
 * libevent swallows EINTR. Handlers run before the wait, so that none is
 * missed, and after it.
 */
static int
selector_wait_main(struct selector *s, int64_t ns)
{
	int why = -1, saved = 0;

	if (wakeup_take(pollcore_wake_fd(s->core)) == -1)
		return -1;
	if (PyErr_CheckSignals() == 0) {
		why = selector_wait_unlocked(s, ns);
		saved = errno;
	}
	wakeup_give();
	if (why != -1 && (why & POLLCORE_SIGNAL) != 0) {
		selector_pass_signals(s);
		if (PyErr_CheckSignals() == -1)
			why = -1;
	}
	errno = saved;
	return why;
}

/*
 * A look that does not wait keeps the GIL. Of signals it finds only what came
 * between two waits, and the interpreter runs their handlers by itself.
 */
static int
selector_look(struct selector *s)
{
	int why = pollcore_wait(s->core, 0);

	if (why != -1 && (why & POLLCORE_SIGNAL) != 0)
		selector_pass_signals(s);
	return why == POLLCORE_SIGNAL ? POLLCORE_ROUSED : why;
}

/* -1 with an exception set. */
static int
selector_wait_once(struct selector *s, int64_t ns)
{
	int why;

	if (ns == 0)
		why = selector_look(s);
	else if (PyThread_get_thread_ident() == s->main)
		why = selector_wait_main(s, ns);
	else
		why = selector_wait_unlocked(s, ns);
	if (why == -1 && PyErr_Occurred() == NULL)
		PyErr_SetFromErrno(PyExc_OSError);
	return why;
}

static void
selector_on_turn(struct selector *s)
{
	if (s->hooks.turn != NULL)
		s->hooks.turn(s->hooks.arg);
}

/*
 * Whether to return behind such a wait. Signals whose handlers do not raise
 * are no reason (PEP 475).
 */
static bool
selector_has_news(struct selector *s, int why)
{
	bool news = why != POLLCORE_SIGNAL;

	if ((why & POLLCORE_ROUSED) != 0 && s->hooks.batch != NULL)
		news = s->hooks.batch(s->hooks.arg);
	return news || s->core == NULL || pollcore_nready(s->core) > 0;
}

/* -1 with an exception set. */
static int
selector_wait(struct selector *s, int64_t ns)
{
	int64_t end = ns > 0 ? clock_ns() + ns : 0;
	int why;

	for (;;) {
		selector_on_turn(s);
		if ((why = selector_wait_once(s, ns)) == -1)
			return -1;
		if (why == 0 || selector_has_news(s, why) || ns == 0)
			return 0;
		if (ns > 0 && (ns = end - clock_ns()) < 0)
			ns = 0;
	}
}

/*
 * (key, events), the same one every time. New reference. Making one may
 * collect garbage, and that may run anything: e may be gone behind it.
 */
static PyObject *
selector_pair(const struct selector *s, struct selector_entry *e,
    unsigned what)
{
	PyObject *key = e->key, *pair = e->pairs[what - 1];
	int fd = e->fd;

	if (pair == NULL) {
		pair = Py_BuildValue("(OI)", key, what);
		if (pair == NULL || selector_at(s, fd) != e || e->key != key)
			return pair;
		e->pairs[what - 1] = pair;
	}
	Py_INCREF(pair);
	return pair;
}

/* What is ready as a list. */
static PyObject *
selector_take(struct selector *s)
{
	PyObject *list = PyList_New((Py_ssize_t)pollcore_nready(s->core));
	PyObject *pair;
	struct selector_entry *e;
	Py_ssize_t i, n = list != NULL ? PyList_GET_SIZE(list) : 0;
	unsigned what;

	for (i = 0; i < n; i++) {
		if ((e = pollcore_next(s->core, &what)) == NULL)
			break;
		if ((pair = selector_pair(s, e, what)) == NULL) {
			Py_CLEAR(list);
			return NULL;
		}
		PyList_SET_ITEM(list, i, pair);
	}
	if (i < n)	/* fewer now, see selector_pair */
		Py_SET_SIZE(list, i);
	return list;
}

static PyObject *
selector_select(struct selector *s, PyObject *const *argv, Py_ssize_t n,
    PyObject *names)
{
	static const struct selector_args spec = { "select",
	    { "timeout" }, 0, 1 };
	PyObject *timeout;
	int64_t ns;

	if (selector_args(&spec, argv, n, names, &timeout) == -1 ||
	    selector_timeout(timeout, &ns) == -1 || selector_check(s) == -1)
		return NULL;
	/* Hooks run Python, which may do anything. */
	if (selector_wait(s, ns) == -1 || selector_check(s) == -1)
		return NULL;
	return selector_take(s);
}

static void
selector_clear_entries(struct selector *s)
{
	struct selector_entry *e;
	int fd;

	for (fd = 0; fd < s->nfds; fd++)
		if ((e = s->byfd[fd]) != NULL)
			selector_remove(s, e);
}

static void
selector_fini(struct selector *s)
{
	selector_clear_entries(s);
	if (s->core != NULL)
		wakeup_drop(pollcore_wake_fd(s->core));
	if (s->owned)
		pollcore_free(s->core);
	s->core = NULL;
}

static PyObject *
selector_close(struct selector *s, PyObject *none UNUSED)
{
	if (s->core != NULL && selector_check(s) == -1)
		return NULL;
	selector_fini(s);
	Py_RETURN_NONE;
}

static PyObject *
selector_enter(PyObject *self, PyObject *none UNUSED)
{
	Py_INCREF(self);
	return self;
}

static PyObject *
selector_exit(struct selector *s, PyObject *const *args UNUSED,
    Py_ssize_t n UNUSED)
{
	return selector_close(s, NULL);
}

static int
selector_traverse(struct selector *s, visitproc visit, void *arg)
{
	struct selector_entry *e;
	size_t i;
	int fd;

	Py_VISIT(Py_TYPE(s));
	Py_VISIT(s->dict);
	for (fd = 0; fd < s->nfds; fd++) {
		if ((e = s->byfd[fd]) == NULL)
			continue;
		Py_VISIT(e->key);
		for (i = 0; i < nitems(e->pairs); i++)
			Py_VISIT(e->pairs[i]);
	}
	return 0;
}

static int
selector_clear(struct selector *s)
{
	selector_clear_entries(s);
	Py_CLEAR(s->dict);
	return 0;
}

static void
selector_dealloc(struct selector *s)
{
	PyTypeObject *type = Py_TYPE(s);

	PyObject_GC_UnTrack(s);
	if (s->weakrefs != NULL)
		PyObject_ClearWeakRefs((PyObject *)s);
	selector_fini(s);
	Py_CLEAR(s->dict);
	free(s->byfd);
	type->tp_free(s);
	Py_DECREF(type);
}

/* threading's own word: after a fork it may be another thread than before. */
static int
selector_main_ident(unsigned long *ident)
{
	PyObject *mod, *thread = NULL, *number = NULL;

	if ((mod = PyImport_ImportModule("threading")) != NULL)
		thread = PyObject_CallMethod(mod, "main_thread", NULL);
	if (thread != NULL)
		number = PyObject_GetAttrString(thread, "ident");
	if (number != NULL)
		*ident = PyLong_AsUnsignedLong(number);
	Py_XDECREF(mod);
	Py_XDECREF(thread);
	Py_XDECREF(number);
	return PyErr_Occurred() != NULL ? -1 : 0;
}

PyObject *
selector_new(struct pollcore *core, struct selector_hooks hooks)
{
	struct selector *s;

	if ((s = (struct selector *)sel.type->tp_alloc(sel.type, 0)) == NULL)
		return NULL;
	s->core = core;
	s->hooks = hooks;
	if (selector_main_ident(&s->main) == -1)
		Py_CLEAR(s);
	return (PyObject *)s;
}

static PyObject *
selector_tp_new(PyTypeObject *type UNUSED, PyObject *args, PyObject *kwargs)
{
	struct pollcore *core;
	struct selector *s;

	if (PyTuple_GET_SIZE(args) > 0 ||
	    (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0)) {
		PyErr_SetString(PyExc_TypeError,
		    "Selector() takes no arguments");
		return NULL;
	}
	if ((core = pollcore_new()) == NULL)
		return PyErr_SetFromErrno(PyExc_OSError);
	s = (struct selector *)selector_new(core,
	    (struct selector_hooks){ 0 });
	if (s == NULL) {
		pollcore_free(core);
		return NULL;
	}
	s->owned = true;
	return (PyObject *)s;
}

#define FAST		METH_FASTCALL
#define NAMED		(METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef selector_methods[] = {
	{ "register", PY_METHOD(selector_register), NAMED,
	    "register(fileobj, events, data=None): the new SelectorKey" },
	{ "unregister", PY_METHOD(selector_unregister), METH_O,
	    "unregister(fileobj): the SelectorKey it had" },
	{ "modify", PY_METHOD(selector_modify), NAMED,
	    "modify(fileobj, events, data=None): the new SelectorKey" },
	{ "select", PY_METHOD(selector_select), NAMED,
	    "select(timeout=None): list of (SelectorKey, events)" },
	{ "close", PY_METHOD(selector_close), METH_NOARGS,
	    "close(): unregister all" },
	{ "get_key", PY_METHOD(selector_get_key), METH_O,
	    "get_key(fileobj): its SelectorKey" },
	{ "get_map", PY_METHOD(selector_get_map), METH_NOARGS,
	    "get_map(): mapping of file objects to keys, None once closed" },
	{ "__enter__", PY_METHOD(selector_enter), METH_NOARGS, NULL },
	{ "__exit__", PY_METHOD(selector_exit), FAST, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyMemberDef selector_members[] = {
	{ "__dictoffset__", T_PYSSIZET, offsetof(struct selector, dict),
	    READONLY, NULL },
	{ "__weaklistoffset__", T_PYSSIZET,
	    offsetof(struct selector, weakrefs), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL }
};

static PyType_Slot selector_slots[] = {
	{ Py_tp_doc, (void *)(uintptr_t)"Selector()\n\n"
	    "A selector on saola's poll core." },
	{ Py_tp_new, selector_tp_new },
	{ Py_tp_dealloc, selector_dealloc },
	{ Py_tp_traverse, selector_traverse },
	{ Py_tp_clear, selector_clear },
	{ Py_tp_methods, selector_methods },
	{ Py_tp_members, selector_members },
	{ 0, NULL }
};

static PyType_Spec selector_spec = {
	.name = "saola.Selector",
	.basicsize = sizeof(struct selector),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = selector_slots
};

static Py_ssize_t
selector_map_length(struct selector_map *m)
{
	return m->selector->n;
}

static PyObject *
selector_map_item(struct selector_map *m, PyObject *fileobj)
{
	struct selector_entry *e = selector_find(m->selector, fileobj);

	if (e == NULL)
		return NULL;
	Py_INCREF(e->key);
	return e->key;
}

/* Mapping.get in C: asyncio asks so from Python 3.13 on. */
static PyObject *
selector_map_get(struct selector_map *m, PyObject *const *args, Py_ssize_t n)
{
	PyObject *key;

	if (n != 1 && n != 2) {
		PyErr_SetString(PyExc_TypeError,
		    "get() takes 1 or 2 arguments");
		return NULL;
	}
	key = selector_map_item(m, args[0]);
	if (key != NULL || !PyErr_ExceptionMatches(PyExc_KeyError))
		return key;
	PyErr_Clear();
	key = n == 2 ? args[1] : Py_None;
	Py_INCREF(key);
	return key;
}

/* The numbers, in ascending order, as they are now. */
static PyObject *
selector_map_iter(struct selector_map *m)
{
	const struct selector *s = m->selector;
	PyObject *list = PyList_New(0), *iter = NULL;
	int fd;

	for (fd = 0; list != NULL && fd < s->nfds; fd++)
		if (s->byfd[fd] != NULL && PyList_Append(list,
		    PyTuple_GET_ITEM(s->byfd[fd]->key, 1)) == -1)
			Py_CLEAR(list);
	if (list != NULL)
		iter = PyObject_GetIter(list);
	Py_XDECREF(list);
	return iter;
}

static int
selector_map_traverse(struct selector_map *m, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(m));
	Py_VISIT(m->selector);
	return 0;
}

static void
selector_map_dealloc(struct selector_map *m)
{
	PyTypeObject *type = Py_TYPE(m);

	PyObject_GC_UnTrack(m);
	Py_XDECREF(m->selector);
	type->tp_free(m);
	Py_DECREF(type);
}

static PyMethodDef selector_map_methods[] = {
	{ "get", PY_METHOD(selector_map_get), FAST, NULL },
	{ NULL, NULL, 0, NULL }
};

static PyType_Slot selector_map_slots[] = {
	{ Py_tp_dealloc, selector_map_dealloc },
	{ Py_tp_traverse, selector_map_traverse },
	{ Py_tp_methods, selector_map_methods },
	{ Py_tp_iter, selector_map_iter },
	{ Py_mp_length, selector_map_length },
	{ Py_mp_subscript, selector_map_item },
	{ 0, NULL }
};

static PyType_Spec selector_map_spec = {
	.name = "saola.SelectorMap",
	.basicsize = sizeof(struct selector_map),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
	    Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = selector_map_slots
};

PyObject *
selector_type(void)
{
	return (PyObject *)sel.type;
}

static PyTypeObject *
selector_key_type(PyObject *selectors)
{
	PyObject *type = PyObject_GetAttrString(selectors, "SelectorKey");

	if (type != NULL && PyType_Check(type) &&
	    PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type))
		return (PyTypeObject *)type;
	Py_XDECREF(type);
	if (PyErr_Occurred() == NULL)
		PyErr_SetString(PyExc_TypeError,
		    "selectors.SelectorKey is not a tuple");
	return NULL;
}

/* keys(), items() and their kin come from the abstract class. */
static int
selector_map_inherit(PyObject *mapping)
{
	static const char *const names[] = { "keys", "items", "values",
	    "__contains__", "__eq__" };
	PyObject *method;
	size_t i;
	int res = 0;

	for (i = 0; i < nitems(names) && res == 0; i++) {
		method = PyObject_GetAttrString(mapping, names[i]);
		if (method == NULL)
			return -1;
		res = PyObject_SetAttrString((PyObject *)sel.map_type,
		    names[i], method);
		Py_DECREF(method);
	}
	return res;
}

/*
 * isinstance(x, selectors.BaseSelector), and the same for the mapping. By way
 * of the metaclass: BaseSelector has a register() of its own.
 */
static int
selector_register_abc(PyObject *mod, const char *name, PyTypeObject *type)
{
	PyObject *abc = PyObject_GetAttrString(mod, name), *res = NULL;

	if (abc != NULL)
		res = PyObject_CallMethod((PyObject *)Py_TYPE(abc), "register",
		    "OO", abc, type);
	Py_XDECREF(abc);
	Py_XDECREF(res);
	return res == NULL ? -1 : 0;
}

static int
selector_init_map(void)
{
	PyObject *abc = PyImport_ImportModule("collections.abc"), *mapping;
	int res = -1;

	sel.map_type = (PyTypeObject *)PyType_FromSpec(&selector_map_spec);
	if (abc == NULL || sel.map_type == NULL)
		goto out;
	if ((mapping = PyObject_GetAttrString(abc, "Mapping")) != NULL) {
		res = selector_map_inherit(mapping);
		Py_DECREF(mapping);
	}
	if (res == 0)
		res = selector_register_abc(abc, "Mapping", sel.map_type);
out:
	Py_XDECREF(abc);
	return res;
}

int
selector_init(void)
{
	PyObject *selectors;
	int res = -1;

	if (selector_init_map() == -1 || wakeup_init() == -1 ||
	    (selectors = PyImport_ImportModule("selectors")) == NULL)
		return -1;
	sel.type = (PyTypeObject *)PyType_FromSpec(&selector_spec);
	sel.key_type = selector_key_type(selectors);
	if (sel.type != NULL && sel.key_type != NULL)
		res = selector_register_abc(selectors, "BaseSelector",
		    sel.type);
	Py_DECREF(selectors);
	return res;
}

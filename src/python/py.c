/* SPDX-License-Identifier: MIT */
/* The interpreter: its start, its forks, its end, and the GIL. */
#include "python/py.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "python/gateway.h"
#include "python/mod.h"
#include "python/py_abort.h"
#include "python/py_dump.h"
#include "python/py_err.h"
#include "python/py_str.h"
#include "python/wsgi.h"
#include "python/wsgi_errors.h"

/* Debian's, also where another python3 is first on PATH. */
#define PY_PROGRAM	"/usr/bin/python3"

#define PY_STRING_(x)	#x
#define PY_STRING(x)	PY_STRING_(x)
#define PY_LINKED	PY_STRING(PY_MAJOR_VERSION) "." \
			PY_STRING(PY_MINOR_VERSION)

static struct {
	char		 prefix[128];
} py;

/* Of this thread, while the GIL is not its. */
static _Thread_local PyThreadState *py_thread;

void
py_enter(void)
{
	PyEval_RestoreThread(py_thread);
}

void
py_leave(void)
{
	py_thread = PyEval_SaveThread();
}

const char *
py_prefix(void)
{
	return py.prefix;
}

/*
 * The value of "version" (venv) or "version_info" (virtualenv) in a line of
 * pyvenv.cfg, NULL if it is another line.
 */
static const char *
py_venv_version(const char *line)
{
	size_t n = strcspn(line, " \t=");

	if ((n != 7 || strncmp(line, "version", n) != 0) &&
	    (n != 12 || strncmp(line, "version_info", n) != 0))
		return NULL;
	return line + n + strspn(line + n, " \t=");
}

/* The packages of a venv are for one minor version of Python. */
static int
py_check_version(const char *venv, const char *version, struct err *err)
{
	size_t n = strlen(PY_LINKED);

	if (strncmp(version, PY_LINKED, n) == 0 &&
	    (version[n] == '.' || version[n] == '\0'))
		return 0;
	return err_setc(err, 3, "venv %s is for Python %s, this is Python "
	    PY_LINKED ": make it again with " PY_PROGRAM " -m venv %s",
	    venv, version, venv);
}

static int
py_check_venv(const char *venv, struct err *err)
{
	char path[4096], line[1024];
	const char *version = NULL;
	FILE *f;
	int res = 0;

	snprintf(path, sizeof(path), "%s/pyvenv.cfg", venv);
	if ((f = fopen(path, "re")) == NULL)
		return err_setc(err, 3, "venv %s: cannot read its pyvenv.cfg: "
		    "%s", venv, strerror(errno));
	while (version == NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		version = py_venv_version(line);
	}
	if (version != NULL)
		res = py_check_version(venv, version, err);
	fclose(f);
	return res;
}

static PyStatus
py_configure(PyConfig *config, const struct py_setup *setup)
{
	const char *venv = setup->app->s.venv;
	char program[4096];
	PyStatus status;

	PyConfig_InitPythonConfig(config);
	config->install_signal_handlers = 0;
	config->parse_argv = 0;
	if (venv != NULL && *venv != '\0')
		snprintf(program, sizeof(program), "%s/bin/python3", venv);
	else
		snprintf(program, sizeof(program), "%s", PY_PROGRAM);
	status = PyConfig_SetBytesString(config, &config->program_name,
	    program);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesArgv(config, setup->argc,
		    setup->argv);
	return status;
}

static int
py_start(const struct py_setup *setup, struct err *err)
{
	PyConfig config;
	PyStatus status = py_configure(&config, setup);

	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (!PyStatus_Exception(status))
		return 0;
	return err_setc(err, 3, "Python does not start: %s",
	    status.err_msg != NULL ? status.err_msg : "it exits");
}

/* Put a directory first on sys.path, by its absolute name. */
static int
py_add_path(const char *cwd, const char *dir)
{
	PyObject *path = PySys_GetObject("path"), *entry;
	char *text;
	int res;

	if (*dir == '/')
		text = xstrdup(dir);
	else
		xasprintf(&text, "%s%s%s", cwd, *dir == '\0' ? "" : "/", dir);
	entry = PyUnicode_DecodeFSDefault(text);
	free(text);
	if (entry == NULL || path == NULL || !PyList_Check(path)) {
		Py_XDECREF(entry);
		return -1;
	}
	res = PyList_Insert(path, 0, entry);
	Py_DECREF(entry);
	return res;
}

/* pythonpath in its order, then the working directory, then Python's own. */
static int
py_set_path(const struct strlist *pythonpath)
{
	char *cwd = getcwd(NULL, 0);
	size_t i = pythonpath->n;
	int res = 0;

	if (cwd != NULL)
		res = py_add_path(cwd, "");
	while (res == 0 && i-- > 0)
		res = py_add_path(cwd != NULL ? cwd : ".", pythonpath->v[i]);
	free(cwd);
	return res;
}

static int
py_capture(const char *name, enum log_level level)
{
	PyObject *stream = wsgi_errors_new(level);
	int res = -1;

	if (stream != NULL)
		res = PySys_SetObject(name, stream);
	Py_XDECREF(stream);
	return res;
}

static int
py_capture_output(const struct conf_app *app)
{
	if (!app->s.capture_output)
		return 0;
	if (py_capture("stdout", LOG_INFO_) == -1)
		return -1;
	return py_capture("stderr", LOG_ERROR_);
}

int
py_boot(const struct py_setup *setup, struct err *err)
{
	const struct conf_app *app = setup->app;
	int res = 0;

	snprintf(py.prefix, sizeof(py.prefix), "app %s: ", app->name);
	if (app->s.venv != NULL && *app->s.venv != '\0' &&
	    py_check_venv(app->s.venv, err) == -1)
		return -1;
	if (mod_register() == -1)
		return err_set(err, "out of memory");
	if (py_start(setup, err) == -1)
		return -1;
	if (py_str_init() == -1 || py_dump_init() == -1 ||
	    py_abort_init() == -1 || wsgi_init() == -1 || mod_import() == -1 ||
	    py_set_path(&app->s.pythonpath) == -1 ||
	    py_capture_output(app) == -1)
		res = py_err_trace(err, 3);
	py_leave();
	return res;
}

/* Call a function of a module; what fails in it is logged. */
static void
py_call(const char *module, const char *name)
{
	PyObject *mod = PyImport_ImportModule(module), *res = NULL;

	if (mod != NULL)
		res = PyObject_CallMethod(mod, name, NULL);
	if (res == NULL)
		py_err_log(NULL, name);
	Py_XDECREF(res);
	Py_XDECREF(mod);
}

void
py_freeze(void)
{
	py_enter();
	py_call("gc", "collect");
	py_call("gc", "freeze");
	py_leave();
}

/* Text that an application printed and nobody has seen yet. */
static void
py_flush(const char *name)
{
	PyObject *stream = PySys_GetObject(name), *res;

	if (stream == NULL || stream == Py_None)
		return;
	Py_INCREF(stream);
	if ((res = PyObject_CallMethod(stream, "flush", NULL)) == NULL)
		PyErr_Clear();
	Py_XDECREF(res);
	Py_DECREF(stream);
}

/* What is not flushed would be printed by both processes. */
void
py_fork_prepare(void)
{
	if (!Py_IsInitialized())
		return;
	py_enter();
	py_flush("stdout");
	py_flush("stderr");
	PyOS_BeforeFork();
}

void
py_fork_parent(void)
{
	if (!Py_IsInitialized())
		return;
	PyOS_AfterFork_Parent();
	py_leave();
}

void
py_fork_child(void)
{
	if (!Py_IsInitialized())
		return;
	PyOS_AfterFork_Child();
	py_leave();
}

/* The thread that imports it first is the main one to it. */
static int
py_init_threading(const struct py_worker *w)
{
	PyObject *threading;

	if (!w->multithread)
		return 0;
	threading = PyImport_ImportModule("threading");
	Py_XDECREF(threading);
	return threading == NULL ? -1 : 0;
}

int
py_worker_init(const struct py_worker *w, struct err *err)
{
	int res = 0;

	py_enter();
	if (mod_set_worker(w) == -1 || py_dump_init_worker() == -1 ||
	    py_abort_init_worker() == -1 || wsgi_init_worker(w) == -1 ||
	    py_init_threading(w) == -1)
		res = py_err_trace(err, 3);
	py_leave();
	return res;
}

/*
 * Python makes up an object for a thread it did not start: "Dummy-1", a daemon.
 * Threads inherit that from who starts them, and those of an application shall
 * not be daemons because a request started them.
 */
static int
py_name_thread(const char *name)
{
	PyObject *threading = PyImport_ImportModule("threading");
	PyObject *thread = NULL, *text = PyUnicode_FromString(name);
	int res = -1;

	if (threading != NULL)
		thread = PyObject_CallMethod(threading, "current_thread",
		    NULL);
	if (thread != NULL && text != NULL &&
	    PyObject_SetAttrString(thread, "name", text) == 0)
		res = PyObject_SetAttrString(thread, "_daemonic", Py_False);
	Py_XDECREF(text);
	Py_XDECREF(thread);
	Py_XDECREF(threading);
	return res;
}

int
py_thread_start(const char *name, struct err *err)
{
	int res = 0;

	if ((py_thread = PyThreadState_New(PyInterpreterState_Main())) == NULL)
		return err_set(err, "out of memory");
	py_enter();
	if (py_name_thread(name) == -1)
		res = py_err_trace(err, 3);
	py_leave();
	return res;
}

void
py_run_signals(void)
{
	py_enter();
	if (PyErr_CheckSignals() == -1)
		py_err_log(NULL, "a signal handler");
	py_leave();
}

/* Threads that are no daemons end first, as when Python itself ends. */
static void
py_join_threads(void)
{
	PyObject *modules = PyImport_GetModuleDict();

	if (PyDict_GetItemString(modules, "threading") != NULL)
		py_call("threading", "_shutdown");
}

/*
 * Not Py_FinalizeEx: taking everything apart takes time and can hang, and the
 * process is about to be gone.
 */
void
py_shutdown(void)
{
	if (!Py_IsInitialized())
		return;
	py_enter();
	py_join_threads();
	py_call("atexit", "_run_exitfuncs");
	py_flush("stdout");
	py_flush("stderr");
	py_leave();
}

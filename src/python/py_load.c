/* SPDX-License-Identifier: MIT */
/*
 * From "module:attribute" to a callable. An attribute may be dotted, and may
 * be a factory that is called with literal arguments.
 */
#include "python/py.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "python/asgi.h"
#include "python/gateway.h"
#include "python/py_err.h"
#include "python/wsgi.h"

enum {
	LOAD_FAILED = 3,	/* exit codes: as Gunicorn's */
	LOAD_MISSING = 4
};

/* The setting, taken apart. */
struct load {
	char	*module;
	char	*attr;		/* "application", "objects.site" */
	char	*args;		/* "('x', k=1)", or NULL */
};

static int
load_split(const char *text, struct load *l, struct err *err)
{
	const char *attr = strchr(text, ':');
	size_t n;

	attr = attr == NULL ? text + strlen(text) : attr;
	l->module = xstrndup(text, (size_t)(attr - text));
	attr = *attr == '\0' || attr[1] == '\0' ? "application" : attr + 1;
	n = strcspn(attr, "( \t");
	l->attr = xstrndup(attr, n);
	attr += n + strspn(attr + n, " \t");
	l->args = *attr == '\0' ? NULL : xstrdup(attr);
	if (*l->module == '\0' || (l->args != NULL && *l->args != '('))
		return err_setc(err, LOAD_MISSING, "application: \"%s\" is "
		    "not module:attribute or module:factory(...)", text);
	return 0;
}

static void
load_fini(struct load *l)
{
	free(l->module);
	free(l->attr);
	free(l->args);
}

/* module.a.b; new reference, or NULL and err. */
static PyObject *
load_attr(PyObject *module, const char *path, struct err *err)
{
	PyObject *o = module, *next;
	char *copy = xstrdup(path), *rest = copy, *name;

	Py_INCREF(o);
	while (o != NULL && (name = strsep(&rest, ".")) != NULL) {
		if ((next = PyObject_GetAttrString(o, name)) == NULL)
			py_err_set(err, LOAD_MISSING);
		Py_SETREF(o, next);
	}
	free(copy);
	return o;
}

/* Literals only: an application's text is not a place for code. */
static PyObject *
load_literal(PyObject *ast, PyObject *node)
{
	return PyObject_CallMethod(ast, "literal_eval", "O", node);
}

/* The positional arguments of a call's node, as a tuple. */
static PyObject *
load_positional(PyObject *ast, PyObject *call)
{
	PyObject *nodes = PyObject_GetAttrString(call, "args");
	PyObject *args = NULL, *value;
	Py_ssize_t i;

	if (nodes != NULL)
		args = PyTuple_New(PyList_GET_SIZE(nodes));
	for (i = 0; args != NULL && i < PyTuple_GET_SIZE(args); i++) {
		value = load_literal(ast, PyList_GET_ITEM(nodes, i));
		if (value == NULL)
			Py_CLEAR(args);
		else
			PyTuple_SET_ITEM(args, i, value);
	}
	Py_XDECREF(nodes);
	return args;
}

/* kwargs[keyword.arg] = keyword.value; **mapping has no arg. */
static int
load_keyword(PyObject *ast, PyObject *keyword, PyObject *kwargs)
{
	PyObject *name = PyObject_GetAttrString(keyword, "arg");
	PyObject *node = PyObject_GetAttrString(keyword, "value");
	PyObject *value = NULL;
	int res = -1;

	if (name == Py_None)
		PyErr_SetString(PyExc_ValueError, "** is not a literal");
	else if (name != NULL && node != NULL &&
	    (value = load_literal(ast, node)) != NULL)
		res = PyDict_SetItem(kwargs, name, value);
	Py_XDECREF(name);
	Py_XDECREF(node);
	Py_XDECREF(value);
	return res;
}

static PyObject *
load_keywords(PyObject *ast, PyObject *call)
{
	PyObject *nodes = PyObject_GetAttrString(call, "keywords");
	PyObject *kwargs = PyDict_New();
	Py_ssize_t i;

	for (i = 0; nodes != NULL && kwargs != NULL &&
	    i < PyList_GET_SIZE(nodes); i++)
		if (load_keyword(ast, PyList_GET_ITEM(nodes, i), kwargs) == -1)
			Py_CLEAR(kwargs);
	if (nodes == NULL)
		Py_CLEAR(kwargs);
	Py_XDECREF(nodes);
	return kwargs;
}

/* "(...)" as the node of a call of f, which must be all there is. */
static PyObject *
load_parse(PyObject *ast, const char *args)
{
	PyObject *tree, *call = NULL, *func = NULL, *name = NULL;
	bool is_call;

	tree = PyObject_CallMethod(ast, "parse", "Nss",
	    PyUnicode_FromFormat("f%s", args), "<application>", "eval");
	if (tree != NULL)
		call = PyObject_GetAttrString(tree, "body");
	if (call != NULL)
		func = PyObject_GetAttrString(call, "func");
	if (func != NULL)
		name = PyObject_GetAttrString(func, "id");
	is_call = name != NULL;
	Py_XDECREF(tree);
	Py_XDECREF(func);
	Py_XDECREF(name);
	if (!is_call)
		Py_CLEAR(call);
	return call;
}

static int
load_arguments(const char *text, PyObject **args, PyObject **kwargs)
{
	PyObject *ast = PyImport_ImportModule("ast"), *call = NULL;

	*args = *kwargs = NULL;
	if (ast != NULL && (call = load_parse(ast, text)) != NULL &&
	    (*args = load_positional(ast, call)) != NULL)
		*kwargs = load_keywords(ast, call);
	Py_XDECREF(call);
	Py_XDECREF(ast);
	if (*kwargs == NULL)
		Py_CLEAR(*args);
	return *kwargs == NULL ? -1 : 0;
}

/* What the factory makes; takes it. */
static PyObject *
load_call(PyObject *factory, const char *text, struct err *err)
{
	PyObject *args, *kwargs, *made = NULL;

	if (load_arguments(text, &args, &kwargs) == -1) {
		PyErr_Clear();
		err_setc(err, LOAD_MISSING, "application: %s is not a list of "
		    "literal arguments", text);
	} else if ((made = PyObject_Call(factory, args, kwargs)) == NULL)
		py_err_trace(err, LOAD_FAILED);
	Py_DECREF(factory);
	Py_XDECREF(args);
	Py_XDECREF(kwargs);
	return made;
}

static PyObject *
load_find(const struct load *l, struct err *err)
{
	PyObject *module, *o;

	if ((module = PyImport_ImportModule(l->module)) == NULL) {
		py_err_trace(err, LOAD_FAILED);
		return NULL;
	}
	o = load_attr(module, l->attr, err);
	Py_DECREF(module);
	if (o != NULL && l->args != NULL)
		o = load_call(o, l->args, err);
	return o;
}

static int
load_application(const char *text, struct err *err)
{
	struct load l = { NULL, NULL, NULL };
	PyObject *o = NULL;

	if (load_split(text, &l, err) == 0)
		o = load_find(&l, err);
	load_fini(&l);
	if (o == NULL)
		return -1;
	if (!PyCallable_Check(o)) {
		err_setc(err, LOAD_MISSING, "application: %s is not callable, "
		    "it is of type %s", text, Py_TYPE(o)->tp_name);
		Py_DECREF(o);
		return -1;
	}
	asgi_serve(o);
	wsgi_serve(o);
	return 0;
}

int
py_load(const struct conf_app *app, struct err *err)
{
	int res;

	py_enter();
	res = load_application(app->s.application, err);
	py_leave();
	return res;
}

const struct gateway *
py_gateway(const struct conf_app *app)
{
	bool is_asgi = app->s.interface == INTERFACE_ASGI;

	if (app->s.interface == INTERFACE_AUTO) {
		py_enter();
		is_asgi = asgi_is_application(asgi.application);
		py_leave();
	}
	return is_asgi ? &asgi_gateway : &wsgi_gateway;
}

/* SPDX-License-Identifier: MIT */
/*
 * The environ: a plain dict of str (PEP 3333), fresh for every request.
 *
 * Requests with the same sequence of names (a shape) have the same keys, and
 * from one proxy most of the same values. So a shape has a template: a dict
 * with all of them, copied for each request, in which only values that differ
 * from the template's are replaced, with strings made before if there are any.
 */
#include "python/py.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "python/py_str.h"
#include "python/wsgi_environ.h"
#include "python/wsgi_file.h"
#include "req/req.h"

#define VALUE_MAX	128	/* longest value that is remembered */
#define VALUES		4	/* last values of a key */
#define CHANGES_MAX	16	/* of a value in a template's dict */

struct env_value {
	PyObject	*str;		/* NULL: none */
	struct str	 text;		/* its bytes, in str */
};

/*
 * What the dict has for a key. Every request compares all of them, so they
 * stand close together.
 */
struct env_same {
	struct str	 text;		/* borrowed from the dict */
	unsigned	 from;		/* index of the parameter */
};

/* One key of a template, and what others sent. */
struct env_entry {
	PyObject	*key;
	unsigned	 changes;	/* of the dict's; a steady value stays */
	unsigned	 next;		/* to be forgotten for a new one */
	struct env_value last[VALUES];
};

/* What is not a parameter as it was sent: computed by params.c. */
enum {
	ENV_SCRIPT_NAME, ENV_PATH_INFO, ENV_QUERY_STRING, ENV_SERVER_NAME,
	ENV_SERVER_PORT, ENV_SERVER_PROTOCOL, ENV_URL_SCHEME, ENV_COMPUTED
};

/* entry: the computed ones, then one for each parameter that is kept. */
struct env_template {
	unsigned	 serial;	/* of the shape it was made for */
	size_t		 n;
	PyObject	*dict;
	struct env_same	*same;		/* n, in the order of entry */
	struct env_entry entry[];
};

static PyObject *env_base;		/* what every environ has */

/* Where the computed values come from; the keys in the same order. */
static void
env_compute(const struct params *p, struct str out[ENV_COMPUTED])
{
	out[ENV_SCRIPT_NAME] = p->script_name;
	out[ENV_PATH_INFO] = p->path_info;
	out[ENV_QUERY_STRING] = p->query_string;
	out[ENV_SERVER_NAME] = p->server_name;
	out[ENV_SERVER_PORT] = p->server_port;
	out[ENV_SERVER_PROTOCOL] = p->server_protocol;
	out[ENV_URL_SCHEME] = p->scheme;
}

static PyObject *
env_computed_key(size_t i)
{
	PyObject *const keys[ENV_COMPUTED] = {
		[ENV_SCRIPT_NAME] = py_str.script_name,
		[ENV_PATH_INFO] = py_str.path_info,
		[ENV_QUERY_STRING] = py_str.query_string,
		[ENV_SERVER_NAME] = py_str.server_name,
		[ENV_SERVER_PORT] = py_str.server_port,
		[ENV_SERVER_PROTOCOL] = py_str.server_protocol,
		[ENV_URL_SCHEME] = py_str.url_scheme
	};

	return keys[i];
}

/* CONTENT_TYPE is there only where it says something: see env_add_content. */
static bool
env_is_entry(const struct param *a)
{
	return a->is.keep && a->is.id != PARAM_CONTENT_TYPE;
}

/* The values of a repeated header as one (PROTOCOLS §5.1). */
static PyObject *
env_join(const struct params *p, const struct param *a)
{
	const char *glue = a->is.id == PARAM_HTTP_COOKIE ? "; " : ", ";
	const struct param *b;
	PyObject *text;
	size_t len = a->value.len;
	char *to;

	for (b = a; b->is.more != 0; len += 2 + b->value.len)
		b = &p->v[b->is.more];
	if ((to = PyMem_Malloc(len)) == NULL)
		return PyErr_NoMemory();
	memcpy(to, a->value.p, a->value.len);
	len = a->value.len;
	for (b = a; b->is.more != 0; len += b->value.len) {
		b = &p->v[b->is.more];
		memcpy(to + len, glue, 2);
		len += 2;
		memcpy(to + len, b->value.p, b->value.len);
	}
	text = py_latin1((struct str){ to, len });
	PyMem_Free(to);
	return text;
}

/* dict[key] = value, which is taken and may be NULL with an exception. */
static int
env_set(PyObject *dict, PyObject *key, PyObject *value)
{
	int res;

	if (value == NULL)
		return -1;
	res = PyDict_SetItem(dict, key, value);
	Py_DECREF(value);
	return res;
}

static inline bool
env_is_text(struct str text, struct str s)
{
	return text.len == s.len && bytes_same(text.p, s.p, s.len);
}

/* Keep a new str, in the dict too unless its value is none that stays. */
static int
env_remember(struct env_template *t, size_t at, PyObject *str)
{
	struct env_entry *e = &t->entry[at];
	const struct env_value v = { str, {
		(const char *)PyUnicode_1BYTE_DATA(str),
		(size_t)PyUnicode_GET_LENGTH(str)
	} };

	if (v.text.len > VALUE_MAX)
		return 0;
	if (e->changes < CHANGES_MAX) {
		e->changes++;
		if (PyDict_SetItem(t->dict, e->key, str) == -1)
			return -1;
		t->same[at].text = v.text;
	}
	Py_INCREF(str);
	Py_XDECREF(e->last[e->next].str);
	e->last[e->next] = v;
	e->next = (e->next + 1) % VALUES;
	return 0;
}

/* A value that is not the template's. */
static int
env_change(struct env_template *t, size_t at, PyObject *env, struct str s)
{
	const struct env_entry *e = &t->entry[at];
	PyObject *str;
	size_t i;

	for (i = 0; i < VALUES; i++)
		if (e->last[i].str != NULL && env_is_text(e->last[i].text, s))
			return PyDict_SetItem(env, e->key, e->last[i].str);
	if ((str = py_latin1(s)) != NULL && env_remember(t, at, str) == -1)
		Py_CLEAR(str);
	return env_set(env, e->key, str);
}

/* A value into env, a copy of the template, unless it has it already. */
static inline int
env_put(struct env_template *t, size_t at, PyObject *env, struct str s)
{
	if (likely(env_is_text(t->same[at].text, s)))
		return 0;
	return env_change(t, at, env, s);
}

/* Make env, a copy of the template, that of this request. */
static int
env_adapt(struct env_template *t, PyObject *env, const struct params *p)
{
	struct str computed[ENV_COMPUTED];
	const struct param *a;
	size_t i;

	env_compute(p, computed);
	for (i = 0; i < ENV_COMPUTED; i++)
		if (env_put(t, i, env, computed[i]) == -1)
			return -1;
	for (; i < t->n; i++) {
		a = &p->v[t->same[i].from];
		if (unlikely(a->is.more != 0)) {
			if (env_set(env, t->entry[i].key,
			    env_join(p, a)) == -1)
				return -1;
		} else if (env_put(t, i, env, a->value) == -1)
			return -1;
	}
	return 0;
}

static void
env_template_free(struct env_template *t)
{
	size_t i, j;

	for (i = 0; i < t->n; i++) {
		Py_XDECREF(t->entry[i].key);
		for (j = 0; j < VALUES; j++)
			Py_XDECREF(t->entry[i].last[j].str);
	}
	Py_XDECREF(t->dict);
	PyMem_Free(t->same);
	PyMem_Free(t);
}

/* A key with a place in the dict, empty at first; takes the key. */
static int
env_template_add(struct env_template *t, PyObject *key, unsigned from)
{
	if (key == NULL)
		return -1;
	t->same[t->n] = (struct env_same){ STR(""), from };
	t->entry[t->n++].key = key;
	return PyDict_SetItem(t->dict, key, py_str.empty);
}

static int
env_template_fill(struct env_template *t, const struct params *p)
{
	PyObject *key;
	size_t i;

	if ((t->dict = PyDict_Copy(env_base)) == NULL)
		return -1;
	for (i = 0; i < ENV_COMPUTED; i++) {
		key = env_computed_key(i);
		Py_INCREF(key);
		if (env_template_add(t, key, 0) == -1)
			return -1;
	}
	for (i = 1; i < p->n; i++) {
		if (!env_is_entry(&p->v[i]))
			continue;
		if ((key = py_latin1(p->v[i].name)) != NULL)
			PyUnicode_InternInPlace(&key);
		if (env_template_add(t, key, (unsigned)i) == -1)
			return -1;
	}
	return 0;
}

static struct env_template *
env_template_new(const struct params *p)
{
	size_t room = ENV_COMPUTED + p->n;
	struct env_template *t;

	t = PyMem_Calloc(1, sizeof(*t) + room * sizeof(t->entry[0]));
	if (t == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	if ((t->same = PyMem_Calloc(room, sizeof(*t->same))) == NULL) {
		PyMem_Free(t);
		PyErr_NoMemory();
		return NULL;
	}
	t->serial = params_shape_serial(p->shape);
	if (env_template_fill(t, p) == -1) {
		env_template_free(t);
		return NULL;
	}
	return t;
}

/* The template of this shape; the slot may hold that of an earlier one. */
static struct env_template *
env_template_of(const struct params *p)
{
	void **slot = params_shape_slot(p->shape);
	struct env_template *t = *slot;

	if (t != NULL && t->serial == params_shape_serial(p->shape))
		return t;
	*slot = NULL;
	if (t != NULL)
		env_template_free(t);
	*slot = env_template_new(p);
	return *slot;
}

static PyObject *
env_copy(const struct params *p)
{
	struct env_template *t = env_template_of(p);
	PyObject *env;

	if (t == NULL || (env = PyDict_Copy(t->dict)) == NULL)
		return NULL;
	if (env_adapt(t, env, p) == -1)
		Py_CLEAR(env);
	return env;
}

static int
env_fill(PyObject *env, const struct params *p)
{
	struct str computed[ENV_COMPUTED];
	const struct param *a, *end = p->v + p->n;
	PyObject *key;
	size_t i;
	int res;

	env_compute(p, computed);
	for (i = 0; i < ENV_COMPUTED; i++)
		if (env_set(env, env_computed_key(i),
		    py_latin1(computed[i])) == -1)
			return -1;
	for (a = p->v + 1; a < end; a++) {
		if (!env_is_entry(a))
			continue;
		if ((key = py_latin1(a->name)) == NULL)
			return -1;
		res = env_set(env, key, env_join(p, a));
		Py_DECREF(key);
		if (res == -1)
			return -1;
	}
	return 0;
}

/* Names that are not remembered: everything is made for this request. */
static PyObject *
env_build(const struct params *p)
{
	PyObject *env = PyDict_Copy(env_base);

	if (env != NULL && env_fill(env, p) == -1)
		Py_CLEAR(env);
	return env;
}

/* A length that was not told is what arrived: Django reads nothing without. */
static int
env_add_length(PyObject *env, const struct req *req)
{
	char digits[24];
	int64_t n = req->params.content_length;

	if (n == -1 && req->body.len > 0)
		n = (int64_t)req->body.len;
	if (n == -1)
		return 0;
	snprintf(digits, sizeof(digits), "%lld", (long long)n);
	return env_set(env, py_str.content_length,
	    PyUnicode_FromString(digits));
}

/* Keys that are left out where they would be empty. */
static int
env_add_content(PyObject *env, const struct req *req)
{
	struct str type = req->params.known[PARAM_CONTENT_TYPE];

	if (type.len > 0 && env_set(env, py_str.content_type,
	    py_latin1(type)) == -1)
		return -1;
	return env_add_length(env, req);
}

PyObject *
wsgi_environ_new(const struct req *req, PyObject *input)
{
	const struct params *p = &req->params;
	PyObject *env = p->shape != NULL ? env_copy(p) : env_build(p);

	if (env != NULL && (env_add_content(env, req) == -1 ||
	    PyDict_SetItem(env, py_str.input, input) == -1))
		Py_CLEAR(env);
	return env;
}

static PyObject *
env_new_base(PyObject *errors, bool multiprocess)
{
	const struct {
		const char	*key;
		PyObject	*value;
	} same[] = {
		{ "wsgi.input", Py_None },
		{ "wsgi.errors", errors },
		{ "wsgi.multithread", Py_False },
		{ "wsgi.multiprocess", multiprocess ? Py_True : Py_False },
		{ "wsgi.run_once", Py_False },
		{ "wsgi.input_terminated", Py_True },
		{ "wsgi.file_wrapper", wsgi_file_type() },
	};
	PyObject *base = Py_BuildValue("{s(ii)}", "wsgi.version", 1, 0);
	size_t i;

	for (i = 0; base != NULL && i < nitems(same); i++)
		if (PyDict_SetItemString(base, same[i].key,
		    same[i].value) == -1)
			Py_CLEAR(base);
	return base;
}

int
wsgi_environ_init(PyObject *errors, bool multiprocess)
{
	Py_XSETREF(env_base, env_new_base(errors, multiprocess));
	return env_base == NULL ? -1 : 0;
}

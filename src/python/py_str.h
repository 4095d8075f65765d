/* SPDX-License-Identifier: MIT */
/* Interned strings: names that are looked up while requests run. */
#ifndef PYTHON_PY_STR_H
#define PYTHON_PY_STR_H

#include "python/py.h"

#define PY_STRINGS(STRING)						\
	STRING(close, "close")						\
	STRING(content_length, "CONTENT_LENGTH")			\
	STRING(content_type, "CONTENT_TYPE")				\
	STRING(empty, "")						\
	STRING(exc_info, "exc_info")					\
	STRING(fileno, "fileno")					\
	STRING(input, "wsgi.input")					\
	STRING(path_info, "PATH_INFO")					\
	STRING(query_string, "QUERY_STRING")				\
	STRING(raw, "raw")						\
	STRING(read, "read")						\
	STRING(script_name, "SCRIPT_NAME")				\
	STRING(server_name, "SERVER_NAME")				\
	STRING(server_port, "SERVER_PORT")				\
	STRING(server_protocol, "SERVER_PROTOCOL")			\
	STRING(tell, "tell")						\
	STRING(url_scheme, "wsgi.url_scheme")

/* Filled once by py_str_init, const from then on. */
struct py_strings {
#define STRING(name, text)	PyObject *name;
	PY_STRINGS(STRING)
#undef STRING
};
extern struct py_strings py_str;

/* -1 with an exception set. */
int	py_str_init(void) MUSTCHECK;

#endif

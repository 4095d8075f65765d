/* SPDX-License-Identifier: MIT */
/* Interned strings: names that are looked up while requests run. */
#ifndef PYTHON_PY_STR_H
#define PYTHON_PY_STR_H

#include "python/py.h"

#define PY_STRINGS(STRING)						\
	STRING(asgi, "asgi")						\
	STRING(blocking, "_asyncio_future_blocking")			\
	STRING(body, "body")						\
	STRING(bytes, "bytes")						\
	STRING(callbacks, "_callbacks")					\
	STRING(cancel, "cancel")					\
	STRING(cancelling, "cancelling")				\
	STRING(client, "client")					\
	STRING(close, "close")						\
	STRING(content_length, "CONTENT_LENGTH")			\
	STRING(content_type, "CONTENT_TYPE")				\
	STRING(done, "done")						\
	STRING(empty, "")						\
	STRING(exc_info, "exc_info")					\
	STRING(extensions, "extensions")				\
	STRING(fileno, "fileno")					\
	STRING(headers, "headers")					\
	STRING(http_body, "http.response.body")				\
	STRING(http_disconnect, "http.disconnect")			\
	STRING(http_request, "http.request")				\
	STRING(http_start, "http.response.start")			\
	STRING(http_version, "http_version")				\
	STRING(input, "wsgi.input")					\
	STRING(message, "message")					\
	STRING(method, "method")					\
	STRING(more_body, "more_body")					\
	STRING(path, "path")						\
	STRING(path_info, "PATH_INFO")					\
	STRING(query, "query_string")					\
	STRING(query_string, "QUERY_STRING")				\
	STRING(raw, "raw")						\
	STRING(raw_path, "raw_path")					\
	STRING(read, "read")						\
	STRING(root_path, "root_path")					\
	STRING(saola_params, "saola.params")				\
	STRING(scheme, "scheme")					\
	STRING(script_name, "SCRIPT_NAME")				\
	STRING(server, "server")					\
	STRING(server_name, "SERVER_NAME")				\
	STRING(server_port, "SERVER_PORT")				\
	STRING(server_protocol, "SERVER_PROTOCOL")			\
	STRING(set_result, "set_result")				\
	STRING(state, "state")						\
	STRING(status, "status")					\
	STRING(subprotocols, "subprotocols")				\
	STRING(tell, "tell")						\
	STRING(text, "text")						\
	STRING(throw_, "throw")						\
	STRING(type, "type")						\
	STRING(url_scheme, "wsgi.url_scheme")				\
	STRING(ws_body, "websocket.http.response.body")			\
	STRING(ws_receive, "websocket.receive")				\
	STRING(ws_response, "websocket.http.response")			\
	STRING(ws_send, "websocket.send")				\
	STRING(ws_start, "websocket.http.response.start")

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

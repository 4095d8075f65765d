# SPDX-License-Identifier: MIT
"""What an application sees of the process it runs in."""

import atexit
import contextvars
import json
import sys
import threading

import saola

variable = contextvars.ContextVar("variable", default="unset")
outer = contextvars.ContextVar("outer", default="unset")
outer.set("at import")
outside = [saola.worker_id, saola.generation]


def show(start_response, *what):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(what).encode()]


def module(environ, start_response):
    return show(start_response, saola.version, saola.worker_id,
                saola.generation, outside)


def context(environ, start_response):
    """A variable that is set is gone with the request."""
    seen = variable.get(), outer.get()
    variable.set("set")
    return show(start_response, *seen)


def lazy_context(environ, start_response):
    """The body is made in the context of its request, too."""
    variable.set("by the call")
    start_response("200 OK", [])
    yield variable.get().encode()


def disconnected(environ, start_response):
    """Says when it learns that the client has left."""
    start_response("200 OK", [])
    yield str(saola.disconnected()).encode()
    try:
        while not saola.disconnected():
            yield b"x" * 65536
    finally:
        environ["wsgi.errors"].write(f"told {saola.disconnected()}\n")


def interpreter(environ, start_response):
    return show(start_response, sys.argv, sys.prefix, sys.version_info[:2],
                sys.path)


def at_exit(environ, start_response):
    """A thread that is no daemon ends before the exit handlers run."""
    def run():
        threading.main_thread().join()
        sys.stderr.write("thread ends\n")
    atexit.register(sys.stderr.write, "exit handler\n")
    threading.Thread(target=run).start()
    return show(start_response)


def prints(environ, start_response):
    print("to", "stdout")
    print("to", "stderr", file=sys.stderr)
    return show(start_response)


def body_without_one(environ, start_response):
    """The status is the query; two chunks that nobody may see."""
    start_response(f"{environ['QUERY_STRING']} Whatever", [])
    return iter([b"no", b"body"])

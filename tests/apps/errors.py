# SPDX-License-Identifier: MIT
"""wsgi.errors takes any text and never raises for it."""


def writes(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("plain line\n")
    errors.write("caf\xe9 \u20ac \U0001f984\n")
    errors.write("lone \udcff surrogate\n")
    errors.write("nul \0 escape \x1b[31m\n")
    errors.writelines(["two ", "parts\n"])
    print("printed", "words", file=errors)
    errors.write("long " + "x" * 300000 + "\n")
    errors.write("no newline")
    errors.flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def bytes_are_refused(environ, start_response):
    try:
        environ["wsgi.errors"].write(b"bytes")
    except TypeError:
        answer = b"TypeError"
    else:
        answer = b"no error"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]


def between_chunks(environ, start_response):
    """The head is out when it writes."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    environ["wsgi.errors"].write("written late\n")
    yield b"two"

# SPDX-License-Identifier: MIT
"""Exceptions, by name in the query."""

import builtins


def make(environ):
    return getattr(builtins, environ["QUERY_STRING"])("boom")


def before(environ, start_response):
    raise make(environ)


def after_start(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    raise make(environ)


def in_first_next(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    class Body:
        def __iter__(self):
            return self

        def __next__(self):
            raise make(environ)
    return Body()


def after_first_chunk(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    class Body:
        chunks = [b"first"]

        def __iter__(self):
            return self

        def __next__(self):
            if self.chunks:
                self.chunks = []
                return b"first"
            raise make(environ)
    return Body()


def with_a_length(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    yield b"first"
    raise make(environ)


def exits(environ, start_response):
    raise SystemExit(3)


def recurses(environ, start_response):
    return recurses(environ, start_response)


def unprintable(environ, start_response):
    class Odd(Exception):
        def __str__(self):
            raise ValueError("no text")
    raise Odd

# SPDX-License-Identifier: MIT
"""wsgi.file_wrapper. The query is the file's path, and more behind commas."""

import io

TEXT = [("Content-Type", "text/plain")]


def whole(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))


def from_position(environ, start_response):
    path, at = environ["QUERY_STRING"].split(",")
    f = open(path, "rb")
    f.seek(int(at))
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](f, 4096)


def with_length(environ, start_response):
    path, at, length = environ["QUERY_STRING"].split(",")
    f = open(path, "rb")
    f.seek(int(at))
    start_response("200 OK", TEXT + [("Content-Length", length)])
    return environ["wsgi.file_wrapper"](f)


class Reader:
    """Only read(), and a close() that says so."""

    def __init__(self, errors, name):
        self.data = io.BytesIO(bytes(range(256)) * 64)
        self.errors = errors
        self.name = name

    def read(self, size=-1):
        return self.data.read(size)

    def close(self):
        self.errors.write(f"closed {self.name}\n")


def without_fileno(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](
        Reader(environ["wsgi.errors"], environ["QUERY_STRING"]), 1000)


class NoisyFile(io.FileIO):
    errors = None

    def close(self):
        if not self.closed:
            self.errors.write("closed file\n")
        super().close()


def closes(environ, start_response):
    f = NoisyFile(environ["QUERY_STRING"])
    f.errors = environ["wsgi.errors"]
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](f)


def through_middleware(environ, start_response):
    """A middleware that only knows iterables."""
    start_response("200 OK", TEXT)
    wrapper = environ["wsgi.file_wrapper"](
        open(environ["QUERY_STRING"], "rb"), 1000)
    try:
        for chunk in wrapper:
            yield chunk.swapcase()
    finally:
        wrapper.close()


def is_a_class(environ, start_response):
    """Django and Werkzeug ask isinstance()."""
    wrapper = environ["wsgi.file_wrapper"]
    f = wrapper(io.BytesIO(b"x"))
    start_response("200 OK", TEXT)
    return [str(isinstance(wrapper, type) and isinstance(f, wrapper)).encode()]

# SPDX-License-Identifier: MIT
"""close() of the iterable, on every way out; it says so in the log."""

TEXT = [("Content-Type", "text/plain")]


class Body:
    def __init__(self, environ, chunks):
        self.name = environ["QUERY_STRING"]
        self.errors = environ["wsgi.errors"]
        self.chunks = iter(chunks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        self.errors.write(f"closed {self.name}\n")


def failing():
    yield b"first"
    raise ValueError("in the middle")


def endless():
    while True:
        yield b"x" * 65536


def end(environ, start_response):
    start_response("200 OK", TEXT)
    return Body(environ, [b"a", b"b"])


def failure(environ, start_response):
    start_response("200 OK", TEXT)
    return Body(environ, failing())


def failure_at_once(environ, start_response):
    return Body(environ, (1 // 0 for _ in "x"))


def over_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "3")])
    return Body(environ, [b"12", b"34", b"56"])


def not_modified(environ, start_response):
    start_response("304 Not Modified", [])
    return Body(environ, [b"dropped"])


def client_leaves(environ, start_response):
    start_response("200 OK", TEXT)
    return Body(environ, endless())


class Raising(Body):
    def close(self):
        super().close()
        raise ValueError("from close")


def raising(environ, start_response):
    start_response("200 OK", TEXT)
    return Raising(environ, [b"whole"])


def left_generator(environ, start_response):
    """A generator whose finally: runs when the client leaves."""
    start_response("200 OK", TEXT)
    try:
        yield from endless()
    finally:
        environ["wsgi.errors"].write(f"closed {environ['QUERY_STRING']}\n")


counts = {"opened": 0, "closed": 0}


class Counted:
    """Many chunks, counted in and out."""

    def __init__(self):
        counts["opened"] += 1
        self.chunks = iter([b"x" * 3000] * 100)

    def __iter__(self):
        return self.chunks

    def close(self):
        counts["closed"] += 1


def counted(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", TEXT)
    return Counted()


def count(environ, start_response):
    start_response("200 OK", TEXT)
    return [f"{counts['opened']} {counts['closed']}".encode()]

# SPDX-License-Identifier: MIT
"""What an application may return, and what it may not."""

TEXT = [("Content-Type", "text/plain")]
CHUNKS = [b"one ", b"two ", b"three"]


def one(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one"]


def several(environ, start_response):
    start_response("200 OK", TEXT)
    return list(CHUNKS)


def a_tuple(environ, start_response):
    start_response("200 OK", TEXT)
    return tuple(CHUNKS)


def empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield from CHUNKS


def with_empty_chunks(environ, start_response):
    start_response("200 OK", TEXT)
    for chunk in CHUNKS:
        yield b""
        yield chunk
        yield b""


def silent_generator(environ, start_response):
    start_response("200 OK", TEXT)
    yield b""


class Items:
    def __getitem__(self, n):
        return CHUNKS[n]


def by_getitem(environ, start_response):
    start_response("200 OK", TEXT)
    return Items()


class Liar:
    def __iter__(self):
        return iter(CHUNKS)

    def __len__(self):
        return 1


def length_that_lies(environ, start_response):
    start_response("200 OK", TEXT)
    return Liar()


class LyingList(list):
    """Iterates over more than it holds."""

    def __iter__(self):
        return iter(CHUNKS)


def list_subclass(environ, start_response):
    start_response("200 OK", TEXT)
    return LyingList([b"x"])


class MyBytes(bytes):
    pass


def bytes_subclass(environ, start_response):
    start_response("200 OK", TEXT)
    return [MyBytes(c) for c in CHUNKS]


def bare_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    return b"".join(CHUNKS)


def a_str(environ, start_response):
    start_response("200 OK", TEXT)
    return "text"


def none(environ, start_response):
    start_response("200 OK", TEXT)


def a_number(environ, start_response):
    start_response("200 OK", TEXT)
    return 5


def list_of_str(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def list_with_none(environ, start_response):
    start_response("200 OK", TEXT)
    return [None]


def yields_number(environ, start_response):
    start_response("200 OK", TEXT)
    yield 5


def str_after_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"first"
    yield "second"


def megabytes(environ, start_response):
    """As many as the query says, in chunks of 64 KiB."""
    start_response("200 OK", TEXT)
    for n in range(int(environ["QUERY_STRING"]) * 16):
        yield bytes([n % 251]) * 65536


def one_large(environ, start_response):
    """One item of as many MB as the query says."""
    start_response("200 OK", TEXT)
    return [b"x" * (int(environ["QUERY_STRING"]) << 20)]


def early(environ, start_response):
    """Answers without reading the request's body: MB of the query."""
    start_response("200 OK", TEXT)
    return [b"x" * (int(environ["QUERY_STRING"] or 0) << 20) or b"early"]


def gated(environ, start_response):
    """A chunk, then another when somebody opens the FIFO of the query."""
    start_response("200 OK", TEXT)
    yield b"one"
    with open(environ["QUERY_STRING"], encoding="ascii") as gate:
        gate.read()
    yield b"two"

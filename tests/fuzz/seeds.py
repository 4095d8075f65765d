# SPDX-License-Identifier: MIT
"""Writes the seeds of the codec fuzzers into corpus/fcgi and corpus/uwsgi.

A seed is four bytes for the fuzzer (worker, CONTENT_LENGTH, first piece, size
of the others less one), then what a peer sends."""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
PLAIN, EARLY, PROMPT, DIRECT, STREAMS = 0, 4, 8, 16, 3

(BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, RESULT,
 UNKNOWN) = range(1, 12)


def record(kind, number, content=b"", padding=0, version=1):
    head = struct.pack(">BBHHBB", version, kind, number, len(content),
                       padding, 0)
    return head + content + bytes(padding)


def begin(number=1, role=1, flags=1):
    return record(BEGIN, number, struct.pack(">HB5x", role, flags))


def length(n, long=False):
    return struct.pack(">I", n | 1 << 31) if long or n > 127 else bytes([n])


def pairs(*items, long=False):
    return b"".join(length(len(k), long) + length(len(v), long) + k + v
                    for k, v in items)


def request(number=1, body=b"", padding=0):
    block = pairs((b"REQUEST_METHOD", b"POST"), (b"PATH_INFO", b"/"),
                  (b"HTTP_COOKIE", b"c" * 200))
    out = begin(number) + record(PARAMS, number, block, padding)
    out += record(PARAMS, number)
    if body:
        out += record(STDIN, number, body, padding)
    return out + record(STDIN, number)


VALUES = pairs((b"FCGI_MAX_CONNS", b""), (b"FCGI_MAX_REQS", b""),
               (b"FCGI_MPXS_CONNS", b""))

FCGI = {
    "request": (PLAIN, request(body=b"hello", padding=3)),
    "direct": (DIRECT, request(body=b"hello" * 20)),
    "early": (EARLY, request(body=b"hello") + request(2)),
    "pipelined": (PLAIN, request() * 3),
    "interleaved": (STREAMS | PROMPT, begin(1) + begin(3) + request(5)
                    + begin(7) + begin(9)
                    + record(PARAMS, 3) + record(PARAMS, 1)
                    + record(STDIN, 3, b"b") + record(ABORT, 1)),
    "second": (PLAIN, begin(1) + begin(3) + record(PARAMS, 3, b"q")
               + record(PARAMS, 1)),
    "abort": (PLAIN, begin() + record(ABORT, 1, b"x", 9) + request()),
    "role": (PLAIN, begin(1, 2, 0) + record(PARAMS, 1) + request()),
    "values": (PLAIN, record(GET_VALUES, 0, VALUES, 5) + request()),
    "values_long": (STREAMS, record(GET_VALUES, 0, pairs(
        (b"FCGI_MAX_REQS", b"x"), (b"NONE", b""), long=True) + b"\x0f")),
    "management": (PLAIN, record(77, 0, b"x") + record(RESULT, 0)
                   + record(UNKNOWN, 0)),
    "ignored": (PLAIN, begin() + record(DATA, 1, b"x") + record(STDOUT, 1)
                + record(STDERR, 9, b"x") + record(END, 1)),
    "version": (PLAIN, begin() + record(PARAMS, 1, version=2)),
    "http": (PLAIN, b"GET / HTTP/1.1\r\n\r\n"),
    "pairs": (PLAIN, pairs((b"A", b""), (b"", b"B"), (b"C", b"d" * 130))),
    "pairs_long": (PLAIN, pairs((b"A", b"b"), (b"C", b"d"), long=True)),
}


def packet(block, body=b"", modifier1=0):
    return struct.pack("<BHB", modifier1, len(block), 0) + block + body


def little(*items):
    return b"".join(struct.pack("<H", len(s)) + s
                    for pair in items for s in pair)


BLOCK = little((b"REQUEST_METHOD", b"POST"), (b"CONTENT_LENGTH", b"5"))

UWSGI = {
    "request": (PLAIN, packet(BLOCK, b"hello")),
    "direct": (DIRECT, packet(BLOCK, b"hello and more")),
    "early": (EARLY, packet(BLOCK, b"hello")),
    "empty": (PLAIN, packet(b"")),
    "modifier": (PLAIN, packet(BLOCK, modifier1=30)),
    "pairs": (PLAIN, BLOCK),
    "pairs_cut": (PLAIN, BLOCK[:-1]),
    "pairs_nameless": (PLAIN, little((b"", b"v"))),
}


def main():
    for stem, seeds in ("fcgi", FCGI), ("uwsgi", UWSGI):
        (CORPUS / stem).mkdir(parents=True, exist_ok=True)
        for name, (worker, sent) in seeds.items():
            seed = bytes([worker, 5, 7, 2]) + sent
            (CORPUS / stem / name).write_bytes(seed)


if __name__ == "__main__":
    main()

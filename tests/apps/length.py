# SPDX-License-Identifier: MIT
"""Content-Length against what really comes."""


def declared(environ, start_response):
    """STATUS,LENGTH,BYTES,CHUNK in the query; LENGTH may be empty."""
    status, length, size, chunk = environ["QUERY_STRING"].split(",")
    headers = [("Content-Length", length)] if length else []
    start_response(f"{status} Whatever", headers)
    for at in range(0, int(size), int(chunk)):
        yield b"x" * min(int(chunk), int(size) - at)


def same_twice(environ, start_response):
    start_response("200 OK", [("Content-Length", "5"),
                              ("Content-Length", "5")])
    return [b"12345"]


def list_too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"1234567"]


def list_too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"123"]

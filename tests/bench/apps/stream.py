# SPDX-License-Identifier: MIT
"""A hundred pieces of 1 KB, with no length announced."""

PIECE = b"saola " * 170 + b"end\n"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(100):
        yield PIECE

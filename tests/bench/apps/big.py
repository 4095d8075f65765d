# SPDX-License-Identifier: MIT
"""A response of 100 KB in one piece."""

BODY = b"0123456789abcde\n" * 6400
HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", str(len(BODY))),
]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]

# SPDX-License-Identifier: MIT
"""The smallest application that still looks at its request."""

BODY = b"Hello, world!\n"
HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", str(len(BODY))),
]


def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "GET" and "HTTP_HOST" in environ:
        start_response("200 OK", HEADERS)
    else:
        start_response("400 Bad Request", HEADERS)
    return [BODY]

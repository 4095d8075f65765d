# SPDX-License-Identifier: MIT
"""wsgiref.validate between the server and an application."""

import wsgiref.validate


def plain(environ, start_response):
    body = environ["wsgi.input"].read(-1)
    environ["wsgi.errors"].write("validated\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"body of %d" % len(body)]


application = wsgiref.validate.validator(plain)

# SPDX-License-Identifier: MIT
"""The smallest answer."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]

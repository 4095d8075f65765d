# SPDX-License-Identifier: MIT
"""Gives the request's body back."""

import hashlib


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [
        ("Content-Type", environ.get("CONTENT_TYPE", "text/plain"))])
    return [body]


def digest(environ, start_response):
    """Its length and hash only, read in pieces."""
    total, state = 0, hashlib.sha256()
    while chunk := environ["wsgi.input"].read(65536):
        total += len(chunk)
        state.update(chunk)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{total} {state.hexdigest()}".encode()]

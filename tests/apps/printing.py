# SPDX-License-Identifier: MIT
"""Prints to stdout and stderr, as a careless application does."""

import os
import sys


def application(environ, start_response):
    print("printed to stdout", flush=True)
    print("printed to stderr", file=sys.stderr, flush=True)
    os.write(1, b"written to descriptor 1\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"printed"]

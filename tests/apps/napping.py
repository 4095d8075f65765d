# SPDX-License-Identifier: MIT
"""An answer that takes a millisecond, nearly all of it asleep."""

import time


def application(environ, start_response):
    time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]

# SPDX-License-Identifier: MIT
"""Who answers."""

import os
import threading
import time


def pid(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def gate(environ, start_response):
    """Waits for somebody to write the FIFO of the query."""
    with open(environ["QUERY_STRING"], encoding="ascii") as f:
        f.read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


ticks = []


def background(environ, start_response):
    """Starts a thread once; tells how often it has run."""
    if not ticks:
        ticks.append(0)

        def run():
            while True:
                time.sleep(0.005)
                ticks[0] += 1
        threading.Thread(target=run, daemon=True).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(ticks[0]).encode()]

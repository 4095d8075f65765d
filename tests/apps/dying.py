# SPDX-License-Identifier: MIT
"""Ends its worker, in the ways workers end."""

import os
import signal


def plain(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(text).encode()]


def by_signal(environ, start_response):
    signal.raise_signal(int(environ["QUERY_STRING"]))
    return plain(start_response, "alive")


def by_exit(environ, start_response):
    os._exit(int(environ["QUERY_STRING"]))


def orphan(environ, start_response):
    """A grandchild that ends when its parent is gone: whoever is its next
    parent must reap it. Answers with its process id."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            os.close(reader)
            os._exit(3)
        os.write(writer, str(grandchild).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    text = os.read(reader, 100)
    os.close(reader)
    return plain(start_response, text.decode())


def terminated_child(environ, start_response):
    """A child of ours takes SIGTERM as any program would."""
    child = os.fork()
    if child == 0:
        while True:
            signal.pause()
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return plain(start_response, os.WTERMSIG(status))

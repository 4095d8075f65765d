# SPDX-License-Identifier: MIT
"""Requests that take too long, each in a way of its own. The query says how
many seconds, where that matters."""

import ctypes
import fcntl
import os
import re
import signal
import tempfile
import threading
import time

import saola


def application(environ, start_response):
    """Without an import, which an exception that comes at any time may leave
    locked for other threads."""
    name = environ["PATH_INFO"].split("/")[2]
    return globals()[name](environ, start_response)


def plain(start_response, text="done"):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(text).encode()]


def seconds(environ, default=60):
    return float(environ["QUERY_STRING"] or default)


def sleep(environ, start_response):
    time.sleep(seconds(environ))
    return plain(start_response)


def spin(environ, start_response):
    end = time.monotonic() + seconds(environ)
    while time.monotonic() < end:
        pass
    return plain(start_response)


def regex(environ, start_response):
    """Catastrophic backtracking, with the GIL held."""
    re.match("(a+)+$", "a" * 60 + "b")
    return plain(start_response)


def held(environ, start_response):
    """C code that keeps the GIL and never comes back."""
    libc = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(256)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def lock(environ, start_response):
    """A deadlock with itself."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def flock(environ, start_response):
    """Waits for a lock that this process itself has, by another descriptor."""
    with tempfile.TemporaryFile() as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        with open(f"/proc/self/fd/{f.fileno()}", "rb") as again:
            fcntl.flock(again, fcntl.LOCK_EX)


def stop(environ, start_response):
    """The whole process stops, its watchdog too."""
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def deaf(environ, start_response):
    """Goes on whatever is raised."""
    end = time.monotonic() + seconds(environ)
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                time.sleep(0.01)
        except BaseException:
            pass
    return plain(start_response)


def wait():
    """In short sleeps, which the exception ends in every thread."""
    for _ in range(6000):
        time.sleep(0.01)


def cleans(environ, start_response):
    """Says what it saw."""
    try:
        wait()
    except Exception:
        print("caught as Exception", file=environ["wsgi.errors"])
    except saola.RequestTimeout as error:
        print(f"RequestTimeout: {error}", file=environ["wsgi.errors"])
        raise
    return plain(start_response)


def answers(environ, start_response):
    """Catches it, and answers as if nothing had happened."""
    try:
        wait()
    except saola.RequestTimeout:
        pass
    return plain(start_response, "too late")


def stream(environ, start_response):
    """A stream that stops half-way: the length is that of the query."""
    length = environ["QUERY_STRING"]
    headers = [("Content-Type", "text/plain")]
    if length:
        headers.append(("Content-Length", length))
    start_response("200 OK", headers)
    yield b"first"
    time.sleep(60)
    yield b"never"


def endless(environ, start_response):
    """Writes for ever, to whoever does not read."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    while True:
        yield b"x" * 65536


class Closing:
    def __iter__(self):
        return iter([b"whole"])

    def close(self):
        wait()


def closing(environ, start_response):
    """A whole response, and a close() that does not end."""
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Content-Length", "5")])
    return Closing()


def extended(environ, start_response):
    """Takes its time, and says so."""
    for _ in range(int(environ["QUERY_STRING"])):
        saola.extend_timeout(1)
        time.sleep(0.2)
    return plain(start_response)


def neighbour(environ, start_response):
    """Starts a thread that has a name for its stack."""
    ready = threading.Event()

    def in_the_background():
        ready.set()
        time.sleep(30)
    threading.Thread(target=in_the_background, daemon=True).start()
    ready.wait()
    wait()


def held_by_neighbour(environ, start_response):
    """Another thread has the GIL, in C code."""
    libc = ctypes.PyDLL(None)

    def hold():
        mutex = ctypes.create_string_buffer(256)
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
    threading.Thread(target=hold, daemon=True).start()
    time.sleep(60)


def pid(environ, start_response):
    return plain(start_response, os.getpid())


def extended_once(environ, start_response):
    saola.extend_timeout(0.7)
    saola.extend_timeout(0.1)
    time.sleep(60)


def extend_badly(environ, start_response):
    seen = []
    for seconds in ("1", -1, float("nan"), 1e30, 0):
        try:
            seen.append(str(saola.extend_timeout(seconds)))
        except Exception as error:
            seen.append(type(error).__name__)
    return plain(start_response, " ".join(seen))


calls = 0


def count(environ, start_response):
    global calls
    calls += 1
    return plain(start_response, calls)


kept = []


def megabytes(n):
    """Memory that is really there."""
    return bytearray(b"x" * (int(n) << 20))


def keep(environ, start_response):
    kept.append(megabytes(environ["QUERY_STRING"]))
    return plain(start_response)


def hoard(environ, start_response):
    """Takes so much and stays."""
    mine = megabytes(environ["QUERY_STRING"])
    time.sleep(60)
    return plain(start_response, len(mine))


def shared_maps():
    """Where this process has memory in common with the master."""
    with open("/proc/self/maps", encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if "rw-s" in fields[1] and "/dev/zero" in line:
                yield [int(x, 16) for x in fields[0].split("-")]


def scribble(environ, start_response):
    """Random bytes, small numbers and large ones, all over the scoreboard,
    for a while."""
    import random
    rng = random.Random(int(environ["QUERY_STRING"]))
    block = 64 * 1024
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        fill = rng.choice([rng.randbytes(block), b"\xff" * block,
                           b"\x01" * block, b"\x7f" * block,
                           (3).to_bytes(8, "little") * (block // 8)])
        for start, stop in shared_maps():
            for at in range(start, min(stop, start + (1 << 20)), block):
                ctypes.memmove(at, fill, min(block, stop - at))
    return plain(start_response)

# SPDX-License-Identifier: MIT
"""Many peers at once: half-sent, garbled, leaving at any byte."""

import json
import random
import subprocess
import time

import pytest

import procs
from peer import PROTOCOLS

CLASSES = ("sync", "threaded")

PATH = "/hello/application"


def p99(client, count=300):
    """The 99th percentile of this many requests, in seconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        assert client.request(path=PATH).status == 200
        times.append(time.perf_counter() - began)
    return sorted(times)[count * 99 // 100]


def test_a_thousand_half_sent_requests(saola):
    """They cost a descriptor each, no worker, and end at client_timeout."""
    server = saola("each:application", workers=2, client_timeout="5s")
    other = server.client("fastcgi")
    base = p99(other)
    crowd = []
    began = time.monotonic()
    for n in range(1000):
        client = server.client(list(PROTOCOLS)[n % 2])
        data = client.wire("POST", "/echo/application", {}, b"body" * 50)
        conn = client.connect()
        conn.send(data[:(n * 37) % (len(data) - 20) + 1])
        crowd.append(conn)
    assert time.monotonic() - began < 4, "too slow to mean anything"
    assert p99(other) < 1.2 * base + 0.02
    for conn in crowd:
        conn.rest()
        conn.close()
    assert time.monotonic() - began < 15
    assert len(server.workers()) == 2


def test_garbage(saola):
    """5,000 connections of noise: no worker dies, the log stays quiet."""
    server = saola("each:application", workers=2)
    workers = server.workers()
    rng = random.Random(2026)
    after = server.mark()
    began = time.monotonic()
    templates = {name: server.client(name).wire("POST", PATH, {}, b"x" * 40)
                 for name in PROTOCOLS}
    for n in range(5000):
        client = server.client("fastcgi")
        if n % 3:
            data = bytearray(rng.choice(list(templates.values())))
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            data = bytes(data[:rng.randrange(1, len(data) + 1)])
        else:
            data = rng.randbytes(rng.randrange(1, 300))
        with client.connect() as conn:
            conn.try_send(data)
            if n % 5 == 0:
                conn.half_close()
    elapsed = time.monotonic() - began
    for name in PROTOCOLS:
        assert server.client(name).request(path=PATH).body == b"hello\n"
    assert server.workers() == workers
    # At most a line a second for each reason to refuse, in each worker.
    assert len(server.log) - after < 40 * (elapsed + 1)


@pytest.mark.parametrize("bind", [None, "tcp"])
def test_clients_that_leave_at_any_byte(saola, protocol, bind):
    """close() is called for every iterable, and nothing is logged."""
    server = saola("each:application", workers=1, bind=bind)
    [worker] = server.workers()
    client = server.client(protocol)
    rng = random.Random(42)
    assert client.request(path=PATH).status == 200
    fds = len(procs.descriptors(worker))
    data = client.wire("POST", "/closing/counted", {}, b"b" * 500)
    after = server.mark()
    for n in range(500):
        conn = client.connect()
        conn.send(data[:rng.randrange(1, len(data))] if n % 2 else data)
        if n % 2 == 0:
            conn.sock.recv(rng.randrange(1, 60000))
        if bind == "tcp" and n % 4 < 2:
            conn.reset()
        else:
            conn.close()

    def settled():
        opened, closed = client.request(path="/closing/count").text.split()
        return opened == closed and int(opened) >= 250
    server.wait_for(settled)
    server.wait_for(lambda: len(procs.descriptors(worker)) <= fds)
    assert not server.grep("Traceback|Error", after)
    assert server.workers() == [worker]


def test_newcomers_beside_busy_kept_connections(saola, load):
    """64 kept connections arrive at once and never pause: the last has its
    first answer when the others have had a few, not dozens."""
    server = saola("napping:application", workers=1)
    done = subprocess.run(
        [load, "-k", "-p", "fcgi", "-c", "64", "-n", "1500",
         f"unix:{server.address}"], check=True, capture_output=True)
    times = json.loads(done.stdout)
    assert times["max_us"] < 12 * times["p50_us"]

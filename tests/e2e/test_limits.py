# SPDX-License-Identifier: MIT
"""Every limit of a request that is a setting: what is answered, and that the
log names the setting."""

import os
import re

import pytest

import procs
from peer import PROTOCOLS, fastcgi as f

CLASSES = ("sync", "threaded")

BODY = b"x" * 5000


@pytest.fixture
def limited(saola, protocol):
    """A client of an echo server with these settings, and the server."""
    def start(app="echo:application", **options):
        server = saola(app, **options)
        return server.client(protocol), server
    return start


@pytest.mark.parametrize("options, path, params, status, name", [
    ({"limit_request_line": 100}, "/" + "a" * 100, {}, 414,
     "limit_request_line"),
    ({"limit_request_fields": 16}, "/", {f"HTTP_X_{n}": "" for n in range(17)},
     431, "limit_request_fields"),
    ({"limit_request_field_size": 200}, "/", {"HTTP_X": "v" * 201}, 431,
     "limit_request_field_size"),
    ({"params_size": "4k"}, "/", {"X": "v" * 4096}, 431, "params_size"),
    ({"params_count": 50}, "/", {f"X{n}": "" for n in range(50)}, 431,
     "params_count"),
    ({"body_limit": "4k"}, "/", {}, 413, "body_limit"),
])
def test_beyond_a_limit(limited, options, path, params, status, name):
    client, server = limited(**options)
    r = client.request("POST", path, params, BODY)
    assert r.status == status and BODY not in r.body
    server.wait_log(name)
    # The value stays out of the log, and within the limit all is served.
    assert not server.grep("vvvv")
    assert client.request("POST", "/", {}, BODY[:4096]).body == BODY[:4096]


@pytest.mark.parametrize("options, path, params", [
    ({"limit_request_line": 100}, "/" + "a" * 99, {}),
    ({"limit_request_field_size": 200}, "/", {"HTTP_X": "v" * 200}),
    ({"body_limit": 5000}, "/", {}),
    ({"body_limit": 0}, "/", {}),
])
def test_at_a_limit(limited, options, path, params):
    client, _ = limited(**options)
    assert client.request("POST", path, params, BODY).body == BODY


@pytest.mark.parametrize("memory", ["0", "1k", "64k", "8m"])
def test_a_body_is_the_same_in_memory_and_in_a_file(limited, memory):
    client, server = limited(body_memory=memory)
    for size in (0, 1, 1023, 1024, 1025, 65536, 65537, 3 << 20):
        body = os.urandom(size)
        assert client.request("POST", "/", {}, body).body == body


def spool_files(server):
    return [name for worker in server.workers()
            for name in procs.descriptors(worker).values()
            if "deleted" in name and "memfd:stacks" not in name]


def test_a_large_body_waits_in_an_unlinked_file(limited, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    client, server = limited(spool_dir=spool, body_memory="64k")
    data = client.wire("POST", "/", {}, b"x" * 200000)
    with client.connect() as conn:
        conn.send(data[:-50000])
        server.wait_for(lambda: any(str(spool) in name
                                    for name in spool_files(server)))
        assert list(spool.iterdir()) == []
        conn.send(data[-50000:])
        assert len(conn.response().body) == 200000
    server.wait_for(lambda: not spool_files(server))


def test_without_a_place_for_files_memory_does(limited, tmp_path):
    client, server = limited(spool_dir=tmp_path / "missing",
                             body_memory="64k")
    body = os.urandom(200000)
    assert client.request("POST", "/", {}, body).body == body
    assert server.workers()


def test_keep_alive_0_keeps_nothing(saola):
    server = saola("hello:application", keep_alive=0)
    with server.client("fastcgi").connect() as conn:
        conn.send_request(keep=True)
        assert conn.response().body == b"hello\n"
        assert conn.closes()


def test_an_idle_connection_ends_at_keep_alive(saola):
    server = saola("hello:application", keep_alive="1s")
    with server.client("fastcgi").connect() as conn:
        conn.send_request(keep=True)
        assert conn.response().body == b"hello\n"
        assert not conn.readable(0.8)
        assert conn.closes()


def test_draining_ends_at_its_limit(saola, protocol):
    """An answer that came early does not make saola read for ever."""
    server = saola("each:application", drain_limit="1m", body_limit="1k")
    client = server.client(protocol)
    size = 1 << 30
    with client.connect() as conn:
        conn.send(client.wire("POST", "/", {"CONTENT_LENGTH": str(size)}, b"")
                  [:-8 if protocol == "fastcgi" else None])
        assert conn.response().status == 413
        chunk = b"x" * 65528
        if protocol == "fastcgi":
            chunk = f.record(f.STDIN, 1, chunk)
        sent = 0
        while sent < size and conn.try_send(chunk):
            sent += len(chunk)
    assert sent < 16 << 20


def test_errors_may_be_copied_to_the_proxy(saola):
    server = saola("errors:between_chunks", proxy_stderr=True)
    r = server.client("fastcgi").request()
    assert r.text == "onetwo" and b"written late" in r.stderr
    assert server.client("uwsgi").request().text == "onetwo"


def test_errors_stay_here_by_default(saola):
    server = saola("errors:writes")
    assert server.client("fastcgi").request().stderr == b""


def test_units_of_sizes_and_times(saola):
    server = saola("echo:application", body_limit="1M", client_timeout="1m",
                   keep_alive="2s")
    for name in PROTOCOLS:
        r = server.client(name).request("POST", "/", {}, bytes((1 << 20) + 1))
        assert r.status == 413


@pytest.mark.parametrize("name, value", [
    ("client_timeout", "soon"), ("body_limit", "-1"), ("params_count", "x"),
    ("keep_alive", "5 parsecs"), ("workers", "0.5"),
    ("limit_request_line", "999999999"),
])
def test_values_that_are_refused(saola, name, value):
    server = saola("hello:application", ready=False, **{name: value})
    server.expect_log(name)
    assert server.wait_exit() == 2
    assert any(re.search(name.replace("_", "[_-]"), line)
               for line in server.log)

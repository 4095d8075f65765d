# SPDX-License-Identifier: MIT
"""The ASGI contract, over both protocols, and the async class under it."""

import json
import os
from signal import SIGTERM

import pytest


@pytest.fixture(scope="module")
def running(shared):
    return shared.saola("asgiapp:application", worker_class="async", workers=1)


@pytest.fixture
def client(running, protocol):
    return running.client(protocol)


def get(client, path, **more):
    return client.request("GET", path, **more)


def value(client, path, **more):
    r = get(client, path, **more)
    assert r.status == 200
    return json.loads(r.body)


# Scope

def test_hello(client):
    r = get(client, "/hello")
    assert (r.status, r.body) == (200, b"Hello, world!\n")
    assert r["Content-Length"] == "14"


def test_scope(client):
    scope = value(client, "/scopes/caf%C3%A9%2Fx?a=%20b", params={
        "HTTP_X_TWO_WORDS": "yes", "REMOTE_USER": "joe",
        "HTTP_PROXY": "evil"})
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["method"] == "GET"
    assert scope["path"] == "/scopes/caf\xe9/x"
    assert scope["raw_path"] == "/scopes/caf%C3%A9%2Fx"
    assert scope["query_string"] == "a=%20b"
    assert scope["root_path"] == ""
    assert scope["client"] == ["192.0.2.7", 54321]
    assert scope["server"] == ["example.test", 80]
    assert scope["scheme"] == "http"
    assert scope["http_version"] == "1.1"
    assert scope["headers"][0] == ["host", "example.test"]
    assert ["x-two-words", "yes"] in scope["headers"]
    assert "proxy" not in dict(scope["headers"])
    assert scope["extensions"]["saola.params"]["REMOTE_USER"] == "joe"
    assert scope["state"] == {"started": True}


def test_headers_change_from_request_to_request(client):
    for n in range(3):
        scope = value(client, "/scopes", params={"HTTP_ACCEPT": f"a{n}"})
        assert ["accept", f"a{n}"] in scope["headers"]


def test_repeated_headers_stay_apart_and_cookies_do_not(client):
    scope = value(client, "/scopes", params=[
        ("HTTP_X_A", "1"), ("HTTP_COOKIE", "a=1"), ("HTTP_X_A", "2"),
        ("HTTP_COOKIE", "b=2")])
    assert [v for n, v in scope["headers"] if n == "x-a"] == ["1", "2"]
    assert [v for n, v in scope["headers"] if n == "cookie"] == ["a=1; b=2"]


def test_unix_client_is_none(client):
    assert value(client, "/scopes",
                 params={"REMOTE_ADDR": "unix:"})["client"] is None


def test_https_and_versions(client):
    scope = value(client, "/scopes", params={
        "HTTPS": "on", "SERVER_PROTOCOL": "HTTP/2.0"})
    assert (scope["scheme"], scope["http_version"]) == ("https", "2")


# receive

@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_body(client, size):
    body = os.urandom(size)
    assert client.request("POST", "/echo", body=body).body == body


def test_body_comes_in_pieces(client):
    sizes = json.loads(client.request("POST", "/chunks",
                                      body=b"x" * 200_000).body)
    assert sum(sizes) == 200_000
    assert max(sizes) <= 65536


def test_receive_is_a_coroutine_and_loses_nothing(client):
    assert value(client, "/receives") == ["http.request", "cancelled",
                                          "timeout"]
    assert "http.disconnect" in value(client, "/events")


# Tasks

def test_the_task_is_the_requests_own(client):
    for _ in range(3):
        assert value(client, "/task")[:3] == [True, True, True]


def test_no_trace_of_other_requests(client):
    for _ in range(5):
        assert value(client, "/mark") is False


def test_done_callbacks_are_called(client):
    before = value(client, "/events").count("done")
    get(client, "/callback")
    assert value(client, "/events").count("done") == before + 1


def test_timeouts_and_groups(client):
    assert get(client, "/timeout").body == b"timed out"
    assert value(client, "/group") == [0, 1, 2]


@pytest.mark.parametrize("wait", ["", "?wait"])
def test_context_starts_from_lifespan_and_does_not_leak(client, wait):
    for _ in range(3):
        assert value(client, "/context" + wait) == [
            True, None, "set", "set", {"started": True}]


# send

def test_stream(client):
    r = get(client, "/stream")
    assert r.body == b"0\n1\n2\n3\n4\n"
    assert r["Content-Length"] is None


def test_big(client):
    assert len(get(client, "/big").body) == 5_000_000


def test_head_has_no_body(client):
    r = client.request("HEAD", "/hello")
    assert (r.status, r.body) == (200, b"")


def test_204_has_no_body(client):
    r = get(client, "/nobody")
    assert (r.status, r.body, r["Content-Length"]) == (204, b"", None)


def test_misuse_raises_at_that_send(client):
    r = get(client, "/misuse")
    assert r.status == 600
    assert json.loads(r.body) == [
        "RuntimeError", "ValueError", "KeyError", "TypeError", "KeyError",
        "ValueError", "TypeError", "ValueError", "ValueError",
        "RuntimeError", "TypeError"]
    assert r["Transfer-Encoding"] is None


# Failures

@pytest.mark.parametrize("path, text", [
    ("/raises", "RuntimeError: on purpose"),
    ("/exits", "SystemExit: 3"),
    ("/silent", "returned without a response")])
def test_failures_before_the_head(client, running, path, text):
    after = running.mark()
    assert get(client, path).status == 500
    assert running.wait_log(text, after)
    assert get(client, "/hello").status == 200


def test_exit_of_a_child_task(client, running):
    after = running.mark()
    assert get(client, "/child_exits").body == b"lives"
    assert running.wait_log("SystemExit", after)


# Clients that leave, and those that read slowly

def printed(running, text):
    """Whether the application has printed this, or does soon."""
    return running.out.wait(
        lambda: any(text in line for line in running.out.lines), 10)


def test_disconnect_is_told_then_cancelled(running, protocol):
    with running.client(protocol).connect() as connection:
        connection.send_request(path="/waits")
        running.wait_for(lambda: held(running))
    assert printed(running, "told http.disconnect")
    assert printed(running, "cancelled")


def held(server):
    """A connection of the worker that nobody listens on."""
    worker, = server.workers()
    names = [os.readlink(f"/proc/{worker}/fd/{fd}")
             for fd in os.listdir(f"/proc/{worker}/fd")]
    return sum(name.startswith("socket:") for name in names) > 2


def test_half_closed_clients_get_their_answer(running, protocol):
    with running.client(protocol).connect() as connection:
        connection.send_request(path="/sleep")
        connection.half_close()
        assert connection.response().body == b"slept"


def test_the_head_of_an_idle_stream_leaves(running, protocol):
    with running.client(protocol).connect() as connection:
        connection.send_request(path="/head")
        assert connection.readable(10)
    assert printed(running, "left")


def test_slow_readers_cost_little(running, protocol):
    worker, = running.workers()
    with running.client(protocol).connect() as connection:
        connection.send_request(path="/endless")
        assert connection.readable(10)
        before = rss(worker)
        for _ in range(50):
            assert get(running.client(protocol), "/sleep").status == 200
        assert rss(worker) - before < 4 << 20
    assert printed(running, "sent ")


def rss(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_background_work_goes_on(client, running):
    assert get(client, "/after").body == b"answered"
    assert printed(running, "background done")


def test_a_short_response_looks_broken(running, protocol):
    after = running.mark()
    with running.client(protocol).connect() as connection:
        connection.send_request(path="/half")
        data = connection.rest()
        assert b"half" in data
        if protocol == "fastcgi":
            assert data.endswith(bytes(8))
    assert running.wait_log("before the end of its response", after)


def test_many_at_once(running, protocol):
    connections = [running.client(protocol).connect() for _ in range(100)]
    for connection in connections:
        connection.send_request(path="/sleep")
    for connection in connections:
        assert connection.response().body == b"slept"
        connection.close()


def test_kept_connection(running):
    with running.client("fastcgi").connect() as connection:
        for path, body in [("/hello", b"Hello, world!\n"),
                           ("/sleep", b"slept")] * 20:
            connection.send_request(path=path, keep=True)
            assert connection.response().body == body


def test_pipelined_requests_are_answered_in_order(running):
    with running.client("fastcgi").connect() as connection:
        paths = ["/sleep", "/hello", "/hello", "/sleep", "/hello"] * 4
        for path in paths:
            connection.send_request(path=path, keep=True)
        for path in paths:
            assert connection.response().body == (
                b"slept" if path == "/sleep" else b"Hello, world!\n")


def test_half_sent_requests_are_closed(saola, protocol):
    server = saola("asgiapp:application", worker_class="async", workers=1,
                   client_timeout="0.3")
    client = server.client(protocol)
    with client.connect() as half, client.connect() as silent:
        half.send(client.wire(path="/hello")[:20])
        assert half.closes()
        assert silent.closes()
        assert get(client, "/hello").status == 200


def test_connections_beyond_the_limit_wait(saola):
    server = saola("asgiapp:application", worker_class="async", workers=1,
                   worker_connections=4)
    client = server.client("fastcgi")
    for _ in range(3):
        connections = [client.connect() for _ in range(8)]
        for connection in connections:
            connection.send_request(path="/hello", keep=True)
        for connection in connections[:4]:
            assert connection.response().status == 200
            connection.close()
        for connection in connections[4:]:
            assert connection.response().status == 200
            connection.close()


# Lifespan, start and stop

def test_shutdown_is_run(saola):
    server = saola("asgiapp:application", worker_class="async", workers=1)
    assert server.stop() == 0
    assert "shut down" in server.out.lines


def test_stop_finishes_what_runs(saola):
    server = saola("asgiapp:application", worker_class="async", workers=1)
    with server.client("uwsgi").connect() as connection:
        connection.send_request(path="/stream")
        assert connection.readable(10)
        server.signal(SIGTERM)
        assert connection.response().body == b"0\n1\n2\n3\n4\n"
    assert server.wait_exit() == 0


@pytest.mark.parametrize("function", ["unknown", "raises", "returns"])
def test_lifespan_is_optional(saola, function):
    server = saola(f"lifespans:{function}", worker_class="async", workers=1)
    assert get(server.client("uwsgi"), "/").body == b"served"


@pytest.mark.parametrize("function, text", [
    ("unknown", "AssertionError"), ("raises", "while starting"),
    ("returns", "returned early")])
def test_lifespan_on_is_not(saola, function, text):
    server = saola(f"lifespans:{function}", worker_class="async", workers=1,
                   lifespan="on", ready=False)
    assert server.wait_exit() == 3
    assert server.grep(text)


def test_refused_startup(saola):
    server = saola("lifespans:failed", worker_class="async", workers=1,
                   ready=False)
    assert server.wait_exit() == 3
    assert server.grep("no database")


def test_failed_shutdown_is_logged(saola):
    server = saola("lifespans:bad_end", worker_class="async", workers=1)
    assert server.stop() == 0
    assert server.grep("shutdown.failed: stuck")


@pytest.mark.parametrize("app, options, text", [
    ("hello:application", {"worker_class": "async"}, "worker_class = sync"),
    ("asgiapp:application", {}, "worker_class = async")])
def test_the_class_suits_the_interface(saola, app, options, text):
    server = saola(app, workers=1, ready=False, **options)
    assert server.wait_exit() == 3
    assert server.grep(text)

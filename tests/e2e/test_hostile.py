# SPDX-License-Identifier: MIT
"""Hostile and unusual bytes on a live server.

Row by row: what a broken, slow or evil peer may send, and what it must get.
After each test the same worker is there, an ordinary request is served over
both protocols, and the worker holds no more descriptors than before.
"""

import json
import os
import signal
import socket
import struct
import time

import pytest

import procs
from peer import PROTOCOLS, fastcgi as f, uwsgi as u

CLASSES = ("sync", "threaded")

HELLO = "/hello/application"
ECHO = "/echo/application"


@pytest.fixture(scope="module")
def live(shared):
    return shared.saola("each:application", workers=1, client_timeout="2s",
                        drain_timeout="5s")


@pytest.fixture(scope="module")
def tcp(shared):
    return shared.saola("each:application", workers=1, bind="tcp",
                        client_timeout="2s")


def served(server):
    for name in PROTOCOLS:
        r = server.client(name).request(path=HELLO)
        assert (r.status, r.body) == (200, b"hello\n")


@pytest.fixture(autouse=True)
def unharmed(live, tcp):
    before = {}
    for server in live, tcp:
        served(server)
        [worker] = server.workers()
        before[server] = worker, len(procs.descriptors(worker))
    yield
    for server, (worker, fds) in before.items():
        served(server)
        assert server.workers() == [worker]
        server.wait_for(lambda: len(procs.descriptors(worker)) <= fds)


@pytest.fixture
def fcgi(live):
    return live.client("fastcgi")


@pytest.fixture
def uwsgi(live):
    return live.client("uwsgi")


def params(path=HELLO, **more):
    return f.block(f.params("GET", path, more))


def request(rid=1, flags=0, path=HELLO, body=b"", padding=b"", **more):
    """The records of a request as a list, to be cut and mixed."""
    return [f.begin(rid, flags=flags),
            f.record(f.PARAMS, rid, params(path, **more), padding),
            f.record(f.PARAMS, rid, b"", padding),
            *([f.record(f.STDIN, rid, body, padding)] if body else []),
            f.record(f.STDIN, rid, b"", padding)]


def whole(**more):
    return b"".join(request(**more))


def closed_silently(client, data):
    """The server takes these bytes and closes without a word."""
    with client.connect() as conn:
        conn.try_send(data)
        assert conn.closes()


# Any split

def test_f1_a_request_cut_at_every_byte(fcgi):
    data = f.wire("POST", ECHO, {}, b"body")
    for cut in range(1, len(data)):
        with fcgi.connect() as conn:
            conn.send(data[:cut])
            conn.send(data[cut:])
            assert conn.response().body == b"body", cut


def test_u1_a_packet_cut_at_every_byte(uwsgi):
    data = u.wire("POST", ECHO, {}, b"body")
    for cut in range(1, len(data)):
        with uwsgi.connect() as conn:
            conn.send(data[:cut])
            conn.send(data[cut:])
            assert conn.response().body == b"body", cut


def test_f1_u1_one_byte_a_write(live, protocol):
    client = live.client(protocol)
    with client.connect() as conn:
        conn.send_bytewise(client.wire("POST", ECHO, {}, b"body"))
        assert conn.response().body == b"body"


# FastCGI records

def test_f2_padding_that_looks_like_records(fcgi):
    evil = (f.begin(1) + f.record(f.ABORT, 1) + f.record(f.END, 1)) * 9
    data = b"".join(request(path=ECHO, body=b"body", padding=evil[:255],
                            CONTENT_LENGTH="4"))
    assert fcgi.exchange(data).body == b"body"


@pytest.mark.parametrize("version", [0, 2, 9, 255])
def test_f3_another_version_closes(live, fcgi, version):
    if version:      # 0 as the first byte is uwsgi
        closed_silently(fcgi, f.record(f.BEGIN, 1, b"\0\1\0\0\0\0\0\0",
                                       version=version))
    closed_silently(fcgi, f.begin() + f.record(f.PARAMS, 1, params(),
                                               version=version))


@pytest.mark.parametrize("data, name", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
    (b"POST /a HTTP/1.0\r\n\r\n", "HTTP"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 500, "TLS"),
])
def test_f4_another_protocol_closes_and_is_named(saola, data, name):
    server = saola("hello:application")
    closed_silently(server.client("fastcgi"), data)
    server.wait_log(name)


def test_f4_uwsgi_where_fastcgi_is_pinned(saola):
    server = saola("hello:application", protocol="fastcgi")
    closed_silently(server.client("uwsgi"), u.wire())
    server.wait_log("uwsgi")
    assert server.client("fastcgi").request().status == 200


def test_f4_fastcgi_where_uwsgi_is_pinned(saola):
    server = saola("hello:application", protocol="uwsgi")
    closed_silently(server.client("fastcgi"), f.wire())
    server.wait_log("(?i)fastcgi")
    assert server.client("uwsgi").request().status == 200


@pytest.mark.parametrize("size", [0, 7, 9, 65535])
def test_f5_begin_of_another_length_closes(fcgi, size):
    body = (b"\0\1" + b"\0" * 65535)[:size]
    closed_silently(fcgi, f.record(f.BEGIN, 1, body))


@pytest.mark.parametrize("role", [0, 2, 3, 65535])
@pytest.mark.parametrize("keep", [0, 1])
def test_f6_another_role_is_500(fcgi, role, keep):
    data = (f.begin(1, role, keep) + f.stream(f.PARAMS, 1, params())
            + f.stream(f.STDIN, 1, b"body"))
    with fcgi.connect() as conn:
        conn.send(data)
        r = conn.response()
        assert r.status == 500 and r.end[1] == f.UNKNOWN_ROLE
        if not keep:
            assert conn.closes()
            return
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"


def test_f7_begin_with_id_0_closes(fcgi):
    closed_silently(fcgi, f.begin(0))


@pytest.mark.parametrize("kind", [2, 4, 5, 6, 7, 8])
def test_f7_records_with_id_0_close(fcgi, kind):
    closed_silently(fcgi, f.record(kind, 0, b"x" * 8))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_f8_a_second_begin_for_an_active_id_closes(fcgi, at):
    records = request(body=b"1234", CONTENT_LENGTH="4")
    first = records[:at]
    if at == 3:
        first = records[:4]
    with fcgi.connect() as conn:
        conn.try_send(b"".join(first) + f.begin())
        data = conn.rest()
        assert b"hello" not in data


def test_f9_a_second_id_is_refused_and_the_first_unharmed(saola):
    server = saola("each:application")
    one = request(1, flags=1, path=ECHO, body=b"first", CONTENT_LENGTH="5")
    two = request(2, flags=1, path=ECHO, body=b"second", CONTENT_LENGTH="6")
    with server.client("fastcgi").connect() as conn:
        conn.send(one[0] + one[1] + two[0] + two[1] + one[2] + two[2])
        r = conn.response(2)
        assert r.status == 503 and r.end[1] == f.CANT_MPX_CONN
        conn.send(two[3] + one[3] + two[4] + one[4])
        r = conn.response(1)
        assert (r.status, r.body) == (200, b"first")
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"
    server.wait_log("fastcgi_multiplex.*mpxs-conns")


def test_f10_records_of_ids_that_are_not_active(fcgi):
    noise = b"".join(f.record(kind, rid, b"x" * size, b"p" * 7)
                     for kind in (f.PARAMS, f.STDIN, f.DATA, f.ABORT)
                     for rid, size in ((7, 0), (7, 100), (65535, 65535)))
    with fcgi.connect() as conn:
        conn.send(noise + whole(flags=1))
        assert conn.response().body == b"hello\n"
        noise = noise.replace(struct.pack(">H", 7), struct.pack(">H", 1))
        conn.send(f.record(f.STDIN, 1, b"late") + f.record(f.ABORT, 1)
                  + f.record(f.PARAMS, 1, b"late") + whole(flags=1))
        assert conn.response().body == b"hello\n"
        assert not conn.readable(0.1)


def test_f11_the_id_is_free_although_stdin_never_ended(saola):
    """413 goes out before the body; Apache then uses the id at once."""
    server = saola("each:application", body_limit="1k")
    with server.client("fastcgi").connect() as conn:
        for _ in range(3):
            conn.send(b"".join(request(flags=1, CONTENT_LENGTH="2000")[:3]))
            r = conn.response()
            assert r.status == 413 and r.end[1] == f.COMPLETE
            conn.send(f.record(f.STDIN, 1, b"never ended"))
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"


def test_f11_the_id_of_a_refused_role_is_free(fcgi):
    with fcgi.connect() as conn:
        conn.send(f.begin(flags=1, role=2) + f.record(f.PARAMS, 1, params()))
        assert conn.response().status == 500
        conn.send(f.record(f.STDIN, 1, b"never ended") + whole(flags=1))
        assert conn.response().body == b"hello\n"


@pytest.mark.parametrize("times", [2, 3])
def test_f12_empty_params_again_are_ignored(fcgi, times):
    data = (f.begin() + f.record(f.PARAMS, 1, params())
            + f.record(f.PARAMS, 1) * times + f.record(f.STDIN, 1))
    assert fcgi.exchange(data).body == b"hello\n"


def test_f13_stdin_before_the_end_of_params_closes(fcgi):
    with fcgi.connect() as conn:
        conn.try_send(f.begin() + f.record(f.PARAMS, 1, params())
                      + f.record(f.STDIN, 1, b"early"))
        assert b"hello" not in conn.rest()


def test_params_after_their_end(fcgi):
    data = (f.begin() + f.stream(f.PARAMS, 1, params())
            + f.record(f.PARAMS, 1, f.pair("MORE", "x")))
    r = fcgi.exchange(data)
    assert r.status == 400


def test_f14_params_without_end(saola):
    server = saola("each:application")
    [worker] = server.workers()
    before = procs.rss(worker)
    with server.client("fastcgi").connect() as conn:
        conn.send(f.begin())
        junk = f.record(f.PARAMS, 1, f.pair("X", "y" * 60000))
        for _ in range(100):
            if not conn.try_send(junk):
                break
        r = conn.response()
    assert r.status == 431
    assert procs.rss(worker) < before + (8 << 20)
    server.wait_log("params_size")


def test_f15_no_params_at_all(fcgi):
    r = fcgi.exchange(f.begin() + f.stream(f.PARAMS, 1, b"")
                      + f.stream(f.STDIN, 1, b""))
    assert r.status == 400


@pytest.mark.parametrize("lengths", [
    b"\x80\x00\x00\x00" * 2, b"\xff\xff\xff\xff" * 2,
    b"\xff\xff\xff\xff\x01", b"\x01\xff\xff\xff\xff",
    b"\x05\x05", b"\xff\xff\xff\xff\x80\x00\x00\x02", b"\x80", b"\x01",
    b"\x80\x00",
])
def test_f16_lengths_past_the_block(live, fcgi, lengths):
    [worker] = live.workers()
    before = procs.rss(worker)
    block = params() + lengths + b"ab"
    r = fcgi.exchange(f.begin() + f.stream(f.PARAMS, 1, block)
                      + f.stream(f.STDIN, 1, b""))
    assert r.status == 400
    assert procs.rss(worker) < before + (8 << 20)


def test_f17_small_lengths_in_the_wide_form(fcgi):
    block = b"".join(f.pair(n, v, wide=True)
                     for n, v in f.params("GET", "/environ/dump"))
    r = fcgi.exchange(f.begin() + f.stream(f.PARAMS, 1, block)
                      + f.stream(f.STDIN, 1, b""))
    assert json.loads(r.body)["SERVER_NAME"] == "example.test"


def test_f18_empty_names_and_values(live, protocol):
    client = live.client(protocol)
    if protocol == "uwsgi":
        pytest.skip("an empty name is malformed on uwsgi: u3")
    r = client.request("GET", "/environ/dump", [
        ("", "value"), ("X_EMPTY", ""), ("", "")])
    env = json.loads(r.body)
    assert env["X_EMPTY"] == "" and "" not in env


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_f20_abort_before_dispatch(fcgi, content):
    for cut in (1, 2, 4):
        records = request(flags=1, body=b"1234", CONTENT_LENGTH="10")[:cut]
        with fcgi.connect() as conn:
            conn.send(b"".join(records) + f.record(f.ABORT, 1, content))
            end = conn.record()
            while end.kind != f.END:
                assert end.kind in (f.STDOUT, f.STDERR) and not end.content
                end = conn.record()
            assert end.content[4] == f.COMPLETE
            conn.send(f.record(f.ABORT, 1) * 2 + whole(flags=1))
            assert conn.response().body == b"hello\n"


def test_f20_abort_while_the_application_runs(fcgi, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with fcgi.connect() as conn:
        conn.send(whole(flags=1, path="/process/gate",
                        QUERY_STRING=str(gate)) + f.record(f.ABORT, 1))
        gate.write_bytes(b"go")
        ends = 0
        conn.send(whole(flags=1, rid=3))
        while True:
            rec = conn.record()
            if rec.rid == 3:
                break
            ends += rec.kind == f.END
        assert ends == 1


def test_f20_abort_of_unknown_ids(fcgi):
    with fcgi.connect() as conn:
        conn.send(f.record(f.ABORT, 9) * 3 + whole(flags=1))
        assert conn.response().body == b"hello\n"
        conn.send(f.record(f.ABORT, 1) * 2 + whole(flags=1))
        assert conn.response().body == b"hello\n"


VALUES = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]


def ask_values(conn, block):
    """Sends GET_VALUES and nothing more; the pairs of the answer."""
    conn.send(f.record(f.GET_VALUES, 0, block))
    rec = conn.record()
    assert (rec.kind, rec.rid) == (f.GET_VALUES_RESULT, 0)
    return dict(f.parse_pairs(rec.content)), f.parse_pairs(rec.content)


def names(*wanted):
    return f.block([(n, "") for n in wanted])


TRUE = {"FCGI_MAX_CONNS": "1", "FCGI_MAX_REQS": "1", "FCGI_MPXS_CONNS": "0"}


@pytest.fixture
def true(worker_class):
    """What of these values a server of this class should answer."""
    return lambda values: {
        name: value.replace("1", "4")
        if name == "FCGI_MAX_CONNS" and worker_class == "threaded" else value
        for name, value in values.items()}


@pytest.mark.parametrize("block, wanted", [
    (b"", {}),
    (names("NOBODY", "KNOWS"), {}),
    (names(*VALUES), TRUE),
    (names("FCGI_MAX_REQS", "FCGI_MPXS_CONNS"),
     {"FCGI_MAX_REQS": "1", "FCGI_MPXS_CONNS": "0"}),
    (names(*VALUES * 1000), TRUE),
    (f.block([(n, "a value") for n in VALUES]), TRUE),
    (names("FCGI_MAX_CONNS") + names("FCGI_MAX_REQS")[:-3],
     {"FCGI_MAX_CONNS": "1"}),
    (names("X" * 5000, "FCGI_MAX_REQS"), {"FCGI_MAX_REQS": "1"}),
])
def test_f21_get_values_are_answered_at_once(fcgi, true, block, wanted):
    wanted = true(wanted)
    with fcgi.connect() as conn:
        for _ in range(2):
            pairs, listed = ask_values(conn, block)
            assert pairs == wanted and len(listed) == len(wanted)
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"
        assert ask_values(conn, block)[0] == wanted


def test_f21_get_values_between_the_records_of_a_request(fcgi, true):
    records = request(flags=1, path=ECHO, body=b"body", CONTENT_LENGTH="4")
    with fcgi.connect() as conn:
        for rec in records[:-1]:
            conn.send(rec)
            assert ask_values(conn, names(*VALUES))[0] == true(TRUE)
        conn.send(f.record(f.GET_VALUES, 1, names(*VALUES)) + records[-1])
        assert conn.response().body == b"body"


@pytest.mark.parametrize("kind", [12, 100, 255])
def test_unknown_management_types_are_told(fcgi, kind):
    with fcgi.connect() as conn:
        conn.send(f.record(kind, 0, b"content", b"padding"))
        rec = conn.record()
        assert (rec.kind, rec.rid) == (f.UNKNOWN_TYPE, 0)
        assert rec.content == bytes([kind]) + bytes(7)
        conn.send(f.record(10, 0, b"x") + f.record(11, 0, b"x")
                  + whole(flags=1))
        assert conn.response().body == b"hello\n"


def test_f22_records_that_are_ours_to_send(fcgi):
    records = request(flags=1)
    noise = b"".join(f.record(k, 1, b"\0" * 8)
                     for k in (f.STDOUT, f.STDERR, f.END, f.DATA))
    with fcgi.connect() as conn:
        conn.send(records[0] + noise + records[1] + noise
                  + b"".join(records[2:]))
        assert conn.response().body == b"hello\n"


def test_f23_all_flags_keep_the_connection(fcgi):
    with fcgi.connect() as conn:
        for _ in range(3):
            conn.send(whole(flags=0xff))
            assert conn.response().body == b"hello\n"


def test_f24_fifty_requests_in_one_write(fcgi):
    data = b"".join(whole(flags=1, path=ECHO, body=b"%02d" % n,
                          CONTENT_LENGTH="2") for n in range(50))
    with fcgi.connect() as conn:
        conn.send(data)
        assert [conn.response().body for _ in range(50)] == [
            b"%02d" % n for n in range(50)]


def test_thousands_of_requests_on_one_connection(fcgi):
    with fcgi.connect() as conn:
        for _ in range(3000):
            conn.send(whole(flags=1))
            assert conn.response().body == b"hello\n"


def test_a_further_request_behind_keep_conn_0_is_discarded(fcgi):
    r = fcgi.exchange(whole() + whole())
    assert r.body == b"hello\n"


def test_the_last_request_may_end_the_kept_connection(fcgi):
    with fcgi.connect() as conn:
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"
        conn.send(whole(flags=0))
        assert conn.response().body == b"hello\n"
        assert conn.closes()


def test_f34_ids_of_every_size(fcgi):
    with fcgi.connect() as conn:
        for rid in (65535, 32767, 1, 3, 5, 1, 1, 256, 255):
            conn.send(whole(rid=rid, flags=1))
            assert conn.response(rid).body == b"hello\n"


def test_pairs_cut_between_records(fcgi):
    block = params("/environ/dump")
    for size in (1, 2, 3, 7, 100):
        data = (f.begin() + f.stream(f.PARAMS, 1, block, size)
                + f.stream(f.STDIN, 1, b""))
        assert json.loads(fcgi.exchange(data).body)["SERVER_PORT"] == "80"


# Names and values: test_env.py has the rest of F19

def test_f19_errors_do_not_reach_the_log_as_they_are(live, fcgi):
    r = fcgi.request("GET", HELLO, {"HTTP_X": "a\r\n\x1b[31mforged line"})
    assert r.status == 400
    assert not [line for line in live.log if line.startswith("\x1b")
                or line.startswith("forged")]


# Slow, silent and vanishing peers

def test_f25_silent_connections_take_no_worker(live):
    silent = [live.client("fastcgi").connect() for _ in range(300)]
    half = []
    for name in PROTOCOLS:
        client = live.client(name)
        for _ in range(50):
            conn = client.connect()
            conn.send(client.wire("POST", ECHO, {}, b"x" * 100)[:-50])
            half.append(conn)
    began = time.monotonic()
    for _ in range(20):
        served(live)
    assert time.monotonic() - began < 2
    # client_timeout is 2 s: every half-sent request is closed by then.
    for conn in half:
        conn.rest()
    for conn in silent + half:
        conn.close()


def test_f25_dripped_params_are_closed_in_time(live, protocol):
    """A byte now and then does not reset the clock of the head."""
    client = live.client(protocol)
    data = client.wire("GET", HELLO)
    began = time.monotonic()
    with client.connect() as conn:
        for at in range(len(data)):
            if not conn.try_send(data[at:at + 1]) or conn.readable(0.1):
                break
        conn.rest()
    assert 1.5 < time.monotonic() - began < 8


def test_a_body_that_stalls_is_408(live, protocol):
    client = live.client(protocol)
    data = client.wire("POST", ECHO, {"CONTENT_LENGTH": "1000"}, b"x" * 500)
    with client.connect() as conn:
        conn.send(data[:-8] if protocol == "fastcgi" else data)
        assert conn.response().status == 408


def test_a_body_that_drips_is_waited_for(live, protocol):
    """Progress of the body resets its clock."""
    client = live.client(protocol)
    data = client.wire("POST", ECHO, {}, b"drip" * 5)
    head, body = data[:-30], data[-30:]
    with client.connect() as conn:
        conn.send(head)
        for at in range(len(body)):
            conn.send(body[at:at + 1])
            assert not (at < len(body) - 1 and conn.readable(0.1))
        assert conn.response().body == b"drip" * 5


def test_f26_a_half_close_behind_the_request(live, protocol):
    client = live.client(protocol)
    with client.connect() as conn:
        conn.send(client.wire("GET", "/body/megabytes?2"))
        conn.half_close()
        assert len(conn.response().body) == 2 << 20


def test_an_end_before_the_request_is_whole(live, protocol):
    client = live.client(protocol)
    data = client.wire("POST", "/closing/end?never", {}, b"body")
    after = live.mark()
    for cut in range(0, len(data), 7):
        with client.connect() as conn:
            conn.send(data[:cut])
    served(live)
    assert not live.grep("closed never", after)


def test_f27_a_reset_in_mid_response(tcp, protocol):
    client = tcp.client(protocol)
    after = tcp.mark()
    for n in range(20):
        conn = client.connect()
        conn.send(client.wire("GET", f"/closing/client_leaves?reset{n}."))
        conn.recv(1000 * n + 1)
        conn.reset()
    for n in range(20):
        tcp.wait_log(rf"closed reset{n}\.", after)
    assert not tcp.grep("Traceback", after)


def test_f28_a_peer_that_never_reads(live, protocol):
    client = live.client(protocol)
    [worker] = live.workers()
    name = f"unread{protocol}"
    after = live.mark()
    with client.connect() as conn:
        conn.send(client.wire("GET", f"/closing/client_leaves?{name}"))
        live.wait_log(f"closed {name}", after, timeout=10)
        assert procs.rss(worker) < 200 << 20
        served(live)


# Content-Length

@pytest.mark.parametrize("text, status", [
    (None, 200), ("", 200), ("-1", 200), ("0", 200), ("00004", 200),
    (" 4", 400), ("4 ", 400), ("+4", 400), ("4,4", 400), ("4abc", 400),
    ("0x4", 400), ("1e1", 400), (str(2**63), 400), (str(2**64 + 4), 400),
    ("4" * 400, 400), ("abc", 400), ("--4", 400), ("-", 400),
])
def test_f30_content_length(live, protocol, text, status):
    client = live.client(protocol)
    r = client.request("POST", ECHO, {"CONTENT_LENGTH": text}, b"body")
    assert r.status == status
    if status == 200:
        known = text not in (None, "", "-1")
        size = int(text) if known else 4 if protocol == "fastcgi" else 0
        assert r.body == b"body"[:size]


def test_f29_stdin_shorter_than_the_length(live, fcgi):
    after = live.mark()
    r = fcgi.request("POST", "/closing/end?short", {"CONTENT_LENGTH": "10"},
                     b"12345")
    assert r.status == 400
    assert not live.grep("closed short", after)


def test_stdin_longer_than_the_length(fcgi):
    with fcgi.connect() as conn:
        conn.send(f.wire("POST", ECHO, {"CONTENT_LENGTH": "3"}, b"12345",
                         keep=True))
        assert conn.response().body == b"123"
        assert conn.closes()


def test_u8_a_body_that_ends_early(live, uwsgi):
    after = live.mark()
    with uwsgi.connect() as conn:
        conn.send(u.wire("POST", "/closing/end?early", {
            "CONTENT_LENGTH": "10"}, b"12345"))
        conn.half_close()
        conn.rest()
    served(live)
    assert not live.grep("closed early", after)


def test_u8_excess_is_discarded(uwsgi):
    r = uwsgi.request("POST", ECHO, {"CONTENT_LENGTH": "3"}, b"12345" * 1000)
    assert r.body == b"123"


def test_f31_ten_gigabytes_are_not_reserved(live, protocol):
    [worker] = live.workers()
    before = procs.rss(worker)
    client = live.client(protocol)
    data = client.wire("POST", ECHO, {"CONTENT_LENGTH": str(10 << 30)}, b"x")
    with client.connect() as conn:
        conn.send(data[:-8] if protocol == "fastcgi" else data)
        served(live)
        assert procs.rss(worker) < before + (8 << 20)


def test_f31_over_the_limit_is_413_before_the_body(saola, protocol):
    server = saola("echo:application", body_limit="1k")
    client = server.client(protocol)
    data = client.wire("POST", "/", {"CONTENT_LENGTH": "1025"}, b"")
    with client.connect() as conn:
        conn.send(data[:-8] if protocol == "fastcgi" else data)
        assert conn.response().status == 413
    assert client.request("POST", "/", body=b"x" * 1024).status == 200
    server.wait_log("body_limit")


def test_a_body_of_unknown_length_has_the_limit_too(saola):
    server = saola("echo:application", body_limit="1k")
    r = server.client("fastcgi").request("POST", "/", {"CONTENT_LENGTH": ""},
                                         b"x" * 5000)
    assert r.status == 413


# Both directions at once

def test_f32_no_deadlock_between_two_writers(live, protocol):
    """The whole request is sent before the first byte is read."""
    client = live.client(protocol)
    body = b"x" * (8 << 20)
    with client.connect() as conn:
        conn.send(client.wire("POST", "/body/early?4", {}, body))
        assert len(conn.response().body) == 4 << 20


@pytest.mark.parametrize("keep", [False, True])
def test_f33_an_early_answer_to_an_upload(live, protocol, keep):
    if keep and protocol == "uwsgi":
        pytest.skip("uwsgi keeps no connection")
    client = live.client(protocol)
    body = b"x" * (8 << 20)
    with client.connect() as conn:
        conn.send(client.wire("POST", "/body/early", {}, body, keep=keep))
        assert conn.response().body == b"early"
        if keep:
            conn.send(whole(flags=1))
            assert conn.response().body == b"hello\n"
        else:
            assert conn.closes()


# Kept connections

def test_f35_a_request_in_the_moment_keep_alive_ends(saola):
    """Answered whole, or closed before a byte of it was read."""
    client = saola("hello:application", keep_alive="1s").client("fastcgi")
    kept = []
    for _ in range(41):
        conn = client.connect()
        conn.send(whole(flags=1, path="/"))
        assert conn.response().body == b"hello\n"
        kept.append((conn, time.monotonic()))
    answered = closed = 0
    for n, (conn, since) in enumerate(kept):
        conn.readable(max(0, since + 0.98 + n / 1000 - time.monotonic()))
        r = conn.try_send(whole(flags=1, path="/")) and conn.response()
        answered += bool(r) and r.body == b"hello\n"
        closed += not r or r.status is None
        conn.close()
    assert answered + closed == 41


def test_idle_kept_connections_take_no_worker(live):
    kept = []
    for _ in range(50):
        conn = live.client("fastcgi").connect()
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"
        kept.append(conn)
    for conn in kept:
        conn.send(whole(flags=1))
        assert conn.response().body == b"hello\n"
        served(live)
    for conn in kept:
        conn.close()


def test_an_idle_kept_connection_that_ends_is_not_logged(live):
    after = live.mark()
    conn = live.client("fastcgi").connect()
    conn.send(whole(flags=1))
    assert conn.response().body == b"hello\n"
    conn.close()
    live.client("fastcgi").connect().close()
    served(live)
    assert live.log[after:] == []


def kept_connection(client):
    """One that has served a request, and the worker that holds it."""
    conn = client.connect()
    conn.send(whole(flags=1, path="/process/pid"))
    return conn, conn.response().text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_f36_stop_serves_a_last_request_on_a_kept_connection(saola, tmp_path,
                                                             number):
    server = saola("each:application", workers=2)
    client = server.client("fastcgi")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    active, busy = kept_connection(client)
    last, free = kept_connection(client)
    while free == busy:
        last.close()
        last, free = kept_connection(client)
    active.send(whole(flags=1, path="/process/gate", QUERY_STRING=str(gate)))
    with open(gate, "w", encoding="ascii"):
        after = server.mark()
        server.signal(number)
        server.wait_log("stopping", after)
        last.send(f.wire("POST", ECHO, {}, b"posted", keep=True))
        assert last.response().body == b"posted"
        assert last.closes()
    assert active.response().text == busy
    assert active.closes()
    assert server.wait_exit() == 0


def test_f36_stop_closes_idle_kept_connections(saola):
    server = saola("each:application", workers=2)
    idle = [kept_connection(server.client("fastcgi"))[0] for _ in range(5)]
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert all(conn.closes() for conn in idle)
    assert server.wait_exit() == 0
    assert 0.9 < time.monotonic() - began < 5


def test_f36_a_reload_serves_a_last_request_on_a_kept_connection(saola):
    server = saola("each:application", workers=2)
    old = server.workers()
    last, _ = kept_connection(server.client("fastcgi"))
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: set(server.workers()) - set(old))
    last.send(f.wire("POST", ECHO, {}, b"posted", keep=True))
    assert last.response().body == b"posted"
    server.wait_for(lambda: not set(server.workers()) & set(old))
    server.wait_for(lambda: len(server.workers()) == 2)
    server.settle()


# The uwsgi protocol

def test_u2_an_empty_block(uwsgi):
    assert uwsgi.exchange(u.packet(b"")).status == 400


@pytest.mark.parametrize("tail", [
    b"\0\0\0\0", b"\0\0\1\0x", b"\xff\xff", b"\5\0abc", b"\1\0X",
    b"\1\0X\5\0abc", b"\1\0X\xff\xff", b"\1", b"\1\0", b"\1\0X",
    b"\1\0X\1", b"\0",
])
@pytest.mark.parametrize("first", [b"", None])
def test_u3_malformed_pairs(uwsgi, tail, first):
    block = u.block(u.params("GET", HELLO)) if first is None else first
    assert uwsgi.exchange(u.packet(block + tail)).status == 400


def test_u4_one_key_of_the_whole_block(uwsgi):
    r = uwsgi.exchange(u.packet(u.pair("K" * 65531, "")))
    assert r.status == 400                # no method


def test_u4_a_block_of_full_size(uwsgi):
    block = u.block(u.params("GET", HELLO))
    block += u.pair("FILL", "x" * (65535 - len(block) - 8))
    assert len(block) == 65535
    assert uwsgi.exchange(u.packet(block)).body == b"hello\n"


def test_u5_other_modifiers_close_and_are_named(saola):
    server = saola("hello:application", workers=1)
    client = server.client("uwsgi")
    workers = server.workers()
    block = u.block(u.params("GET", "/"))
    for modifier in range(2, 256):
        with client.connect() as conn:
            conn.try_send(u.packet(block, modifier, modifier % 3))
            assert conn.closes()
    with client.connect() as conn:
        conn.send(u.packet(block, 0, 7))          # modifier2 is ignored
        assert conn.response().body == b"hello\n"
    server.wait_log("modifier1")
    assert server.workers() == workers


@pytest.mark.parametrize("modifier, name", [
    (22, "modifier1 22"), (30, "SCRIPT_NAME"), (110, "signal")])
def test_u5_known_modifiers_are_explained(saola, modifier, name):
    server = saola("hello:application")
    closed_silently(server.client("uwsgi"), u.packet(b"x" * 50, modifier))
    server.wait_log(name)


def test_u5_fastcgi_version_where_uwsgi_is_pinned(saola):
    server = saola("hello:application", protocol="uwsgi")
    client = server.client("uwsgi")
    for modifier in (1, 30):
        with client.connect() as conn:
            conn.try_send(u.packet(b"x" * 50, modifier))
            assert conn.closes()


def test_u6_dynamic_variables_are_text(live, protocol, tmp_path):
    touched = tmp_path / "touched"
    evil = {
        "UWSGI_FILE": f"exec://touch {touched}", "UWSGI_SCRIPT": "os:system",
        "UWSGI_MODULE": "antigravity", "UWSGI_CALLABLE": "quit",
        "UWSGI_PYHOME": "/nowhere", "UWSGI_CHDIR": "/nowhere",
        "UWSGI_SETENV": "PATH=/nowhere", "UWSGI_POSTFILE": str(touched),
        "UWSGI_TOUCH_RELOAD": "/etc/passwd", "UWSGI_CACHE_GET": "x",
    }
    env = json.loads(live.client(protocol).request(
        "GET", "/environ/dump", evil).body)
    assert {k: env[k] for k in evil} == evil
    assert not touched.exists()


def test_u7_http_text_where_uwsgi_is_pinned(saola):
    server = saola("hello:application", protocol="uwsgi")
    closed_silently(server.client("uwsgi"), b"HTTP/1.0 200 OK\r\n\r\n")
    server.wait_log("HTTP")


@pytest.mark.parametrize("protocol", ["uwsgi"])
def test_a_string_that_was_appended_is_tolerated(live, protocol):
    """nginx's uwsgi_string puts any text behind the block."""
    block = u.block(u.params("GET", HELLO)) + b"tail"
    r = live.client(protocol).exchange(u.packet(block))
    assert r.status in (200, 400)


# Over TCP

def test_reset_before_the_response(tcp, protocol):
    client = tcp.client(protocol)
    for _ in range(50):
        conn = client.connect()
        conn.send(client.wire("GET", "/body/one_large?1"))
        conn.reset()
    served(tcp)


def test_probes_are_not_logged(tcp):
    after = tcp.mark()
    for _ in range(20):
        conn = tcp.client("fastcgi").connect()
        conn.reset()
    served(tcp)
    assert tcp.log[after:] == []


def test_a_late_failure_resets_tcp(tcp, protocol):
    r = tcp.client(protocol).request(
        "GET", "/failure/after_first_chunk?ValueError", cut=True)
    assert (r.status, r.body) == (200, b"first")


def test_both_directions_over_tcp(tcp, protocol):
    client = tcp.client(protocol)
    with client.connect() as conn:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        conn.send(client.wire("POST", "/body/early?2", {}, b"x" * (4 << 20)))
        assert len(conn.response().body) == 2 << 20

# SPDX-License-Identifier: MIT
"""WebSocket over the uwsgi protocol, by hand and through nginx."""

import socket

import pytest

from peer.websocket import (BINARY, CLOSE, CONTINUE, HANDSHAKE, KEY, PING,
                            PONG, TEXT, WebSocket, accept_key, frame)


@pytest.fixture(scope="module")
def running(shared):
    return shared.saola("wsapp:application", worker_class="async", workers=1)


@pytest.fixture
def client(running):
    return running.client("uwsgi")


def printed(running, text):
    return running.out.wait(lambda: text in running.out.lines, 10)


def test_echo(client, running):
    with WebSocket.open(client, "/echo") as ws:
        assert ws.status == 101
        assert ws.headers["Sec-WebSocket-Accept"] == accept_key()
        for opcode, data in ((TEXT, "h\xe9llo".encode()), (BINARY, b"\0\xff"),
                             (TEXT, b""), (BINARY, b"x" * 100_000)):
            ws.send(opcode, data)
            assert ws.receive() == (opcode, data)
        assert ws.close(4321) == 4321
        assert ws.receive() is None
    assert printed(running, "disconnect 4321 ")


def test_fragments_and_pings(client):
    with WebSocket.open(client, "/echo") as ws:
        ws.send(TEXT, b"one ", fin=False)
        ws.send(PING, b"ping")
        ws.send(CONTINUE, "tw\xf6".encode())
        assert ws.receive() == (PONG, b"ping")
        assert ws.receive() == (TEXT, "one tw\xf6".encode())
        ws.send(PONG, b"unasked")
        assert ws.close() == 1000


def test_frames_behind_the_request_are_kept(client):
    with WebSocket.open(client, "/echo", early=frame(TEXT, b"early")) as ws:
        assert ws.receive() == (TEXT, b"early")
        assert ws.close() == 1000


def test_every_byte_alone(client):
    with WebSocket.open(client, "/echo") as ws:
        ws.connection.send_bytewise(frame(TEXT, b"x" * 200))
        assert ws.receive() == (TEXT, b"x" * 200)
        assert ws.close() == 1000


def test_scope_and_subprotocol(client):
    with WebSocket.open(client, "/scopes", [
            ("HTTP_SEC_WEBSOCKET_PROTOCOL", "soap, wamp"),
            ("HTTPS", "on")]) as ws:
        assert ws.headers["Sec-WebSocket-Protocol"] == "wamp"
        assert ws.headers["X-Mine"] == "yes"
        opcode, data = ws.receive()
        assert eval(data) == ["websocket", "wss", ["soap", "wamp"], False,
                              ["websocket.http.response"]]
        assert ws.closed() == 1000


@pytest.mark.parametrize("path, status", [
    ("/refuse", 403), ("/explain", 401), ("/silent", 500)])
def test_refusals(client, path, status):
    with WebSocket.open(client, path) as ws:
        assert ws.status == status
        if status == 401:
            assert ws.headers["X-Why"] == "because"
            assert ws.connection.rest() == b"not you"


@pytest.mark.parametrize("path, code", [("/raises", 1011),
                                        ("/returns", 1000)])
def test_ends_of_the_application(client, path, code):
    with WebSocket.open(client, path) as ws:
        assert ws.closed() == code
        ws.send(CLOSE)
        assert ws.receive() is None


def test_the_application_closes(client, running):
    with WebSocket.open(client, "/closes") as ws:
        assert ws.receive() == (CLOSE, b"\x0b\xb9done")
        ws.send(CLOSE, b"\x0b\xb9")
        assert ws.receive() is None
    assert printed(running, "closed websocket.disconnect 3001")


def test_send_before_accept_raises(client):
    with WebSocket.open(client, "/early") as ws:
        assert ws.receive() == (BINARY, b"refused")


def test_large_messages(client):
    with WebSocket.open(client, "/large") as ws:
        assert ws.receive() == (BINARY, b"x" * 3_000_000)


def test_a_lost_client(client, running):
    with WebSocket.open(client, "/echo") as ws:
        ws.send(TEXT, b"x")
        assert ws.receive() == (TEXT, b"x")
    assert printed(running, "disconnect 1006 ")


def test_who_does_not_receive_is_not_flooded(client, running):
    with WebSocket.open(client, "/deaf") as ws:
        for _ in range(500):
            ws.send(TEXT, b"x" * 500)
        assert ws.close() == 1000
    assert printed(running, "heard 500")


@pytest.mark.parametrize("data, code", [
    (frame(TEXT, b"x", mask=None), 1002),
    (frame(3, b"x"), 1002),
    (frame(PING, b"x", fin=False), 1002),
    (frame(PING, b"x" * 126), 1002),
    (frame(CONTINUE, b"x"), 1002),
    (bytes([0xC1, 0x80]) + bytes(4), 1002),
    (frame(TEXT, b"\xff"), 1007),
    (bytes([0x82, 0xFF, 0x80]) + bytes(11), 1002),
    (bytes([0x82, 0xFF]) + (1 << 40).to_bytes(8, "big") + bytes(4), 1009)])
def test_hostile_frames(client, running, data, code):
    with WebSocket.open(client, "/echo") as ws:
        ws.connection.send(data)
        assert ws.closed() == code
        assert ws.receive() is None
    assert printed(running, f"disconnect {code} ")


@pytest.mark.parametrize("change, status", [
    ({"HTTP_SEC_WEBSOCKET_KEY": None}, 400),
    ({"HTTP_SEC_WEBSOCKET_KEY": KEY[:-4]}, 400),
    ({"HTTP_SEC_WEBSOCKET_VERSION": "12"}, 426),
    ({"SERVER_PROTOCOL": "HTTP/1.0"}, 400),
    ({"REQUEST_METHOD": "POST"}, 400)])
def test_bad_handshakes(client, change, status):
    r = client.request(path="/echo", params={**dict(HANDSHAKE), **change})
    assert r.status == status
    if status == 426:
        assert r["Sec-WebSocket-Version"] == "13"


def test_fastcgi_has_none(running):
    after = running.mark()
    r = running.client("fastcgi").request(path="/echo",
                                          params=dict(HANDSHAKE))
    assert r.status == 426
    assert running.wait_log("uwsgi_pass", after)


def test_restart_is_told(saola):
    server = saola("wsapp:application", worker_class="async", workers=1,
                   graceful_timeout=20)
    with WebSocket.open(server.client("uwsgi"), "/echo") as ws:
        ws.send(TEXT, b"x")
        assert ws.receive() == (TEXT, b"x")
        server.signal(15)
        assert ws.closed() == 1012
        ws.send(CLOSE, b"\x03\xf4")
    assert server.wait_exit() == 0


def test_through_nginx(saola, nginx):
    server = saola("wsapp:application", worker_class="async", workers=1)
    proxy = nginx(server)
    host, port = proxy.addresses["uwsgi"]
    with socket.create_connection((host, port)) as sock:
        sock.sendall(f"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                     f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     f"Sec-WebSocket-Key: {KEY}\r\n\r\n".encode())
        ws = WebSocket(Stream(sock))
        ws.read_head()
        assert ws.status == 101
        ws.send(TEXT, b"hello")
        assert ws.receive() == (TEXT, b"hello")
        assert ws.close() == 1000


class Stream:
    """take() and send() on a plain socket."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, data):
        self.sock.sendall(data)

    def take(self, size):
        data = b""
        while len(data) < size and (more := self.sock.recv(size - len(data))):
            data += more
        return data

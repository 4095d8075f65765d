# SPDX-License-Identifier: MIT
"""What a user sees through a real nginx, by every route to saola."""

import hashlib
import http.client
import json
import os
import socket
import threading
import time

import pytest

import procs

CLASSES = ("sync", "threaded")

UNBUFFERED = """
    fastcgi_buffering off; fastcgi_request_buffering off;
    uwsgi_buffering off; uwsgi_request_buffering off;
"""
LARGE_HEADS = "fastcgi_buffer_size 64k; fastcgi_buffers 8 64k; " \
    "fastcgi_busy_buffers_size 128k; uwsgi_buffer_size 64k; " \
    "uwsgi_buffers 8 64k; uwsgi_busy_buffers_size 128k;"


@pytest.fixture(scope="module")
def web(shared, each):
    return shared.nginx(each, http=LARGE_HEADS)


@pytest.fixture(scope="module")
def unbuffered_web(shared, each):
    return shared.nginx(each, http=UNBUFFERED)


@pytest.fixture
def client(web, route):
    return web.client(route)


@pytest.fixture
def unbuffered(unbuffered_web, route):
    return unbuffered_web.client(route)


def environ(client, path="/environ/dump", **more):
    r = client.request("GET", path, **more)
    assert r.status == 200
    return json.loads(r.body)


def test_hello(client):
    r = client.request("GET", "/hello/application")
    assert (r.status, r.reason, r.body) == (200, "OK", b"hello\n")
    assert r["Content-Type"] == "text/plain"
    assert r["Content-Length"] == "6"


def test_head(client):
    r = client.request("HEAD", "/body/several")
    assert (r.status, r.body, r["Content-Length"]) == (200, b"", "13")


def test_204(client):
    r = client.request("GET", "/length/declared?204,5,5,5")
    assert (r.status, r.body, r["Content-Length"]) == (204, b"", None)


def test_304(client):
    r = client.request("GET", "/length/declared?304,5,5,5")
    assert (r.status, r.body) == (304, b"")


def test_a_response_without_a_length(client):
    assert client.request("GET", "/body/generator").body == b"one two three"


def test_kept_client_connection(client):
    """Different responses one after the other on one HTTP connection."""
    conn = http.client.HTTPConnection(*client.address, timeout=client.timeout)
    for path, body in [("/body/several", b"one two three"),
                       ("/body/generator", b"one two three"),
                       ("/length/declared?204,5,5,5", b""),
                       ("/hello/application", b"hello\n")] * 3:
        conn.request("GET", path)
        assert conn.getresponse().read() == body
    conn.close()


@pytest.mark.parametrize("size", [0, 1, 20000, 70000, 3 << 20])
def test_upload(client, size):
    body = os.urandom(size)
    r = client.request("POST", "/echo/application", body)
    assert r.status == 200 and r.body == body


@pytest.mark.parametrize("size", [0, 1, 100, 3 << 20])
def test_chunked_upload(client, size):
    body = os.urandom(size)
    pieces = [body[i:i + 50000] for i in range(0, size, 50000)]
    r = client.request("POST", "/echo/application", iter(pieces))
    assert r.status == 200 and r.body == body


def test_a_chunked_upload_has_a_length(client):
    r = client.request("POST", "/environ/dump", iter([b"12345", b"67890"]))
    env = json.loads(r.body)
    assert env["CONTENT_LENGTH"] == "10"
    assert "HTTP_TRANSFER_ENCODING" not in env


@pytest.mark.parametrize("size", [1, 70000, 3 << 20])
def test_unbuffered_upload(unbuffered, size):
    body = os.urandom(size)
    r = unbuffered.request("POST", "/echo/application", body)
    assert r.status == 200 and r.body == body


def test_unbuffered_chunked_upload(unbuffered):
    body = os.urandom(1 << 20)
    pieces = [body[i:i + 50000] for i in range(0, len(body), 50000)]
    r = unbuffered.request("POST", "/echo/application", iter(pieces))
    assert r.status == 200 and r.body == body


def test_16_kb_of_request_header(client):
    value = "v" * 16000
    env = environ(client, headers={"X-Large": value, "Cookie": "c=" + value})
    assert env["HTTP_X_LARGE"] == value
    assert env["HTTP_COOKIE"] == "c=" + value


def test_16_kb_of_response_header(client):
    r = client.request("GET", "/start/large_head?16")
    assert (r.status, r.body) == (200, b"body")
    assert sum(n.startswith("X-") for n in r.headers) >= 16


def test_unusual_response_headers(client):
    r = client.request("GET", "/start/odd_headers")
    assert r.status == 200
    assert r.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert r["X-Pair"] == "tuple subclass"
    assert r["X-Blank"] == "outer blanks"


@pytest.mark.parametrize("status", [201, 301, 400, 404, 418, 500, 503, 600])
def test_statuses(client, status):
    r = client.request("GET", f"/length/declared?{status},4,4,4")
    assert (r.status, r.body) == (status, b"xxxx")


@pytest.mark.parametrize("path, wanted", [
    ("/", "/"),
    ("/a/b", "/a/b"),
    ("/a%20b/c+d", "/a b/c+d"),
    ("/a%2Fb", "/a/b"),
    ("/a%252Fb", "/a%2Fb"),
    ("/%E4%B8%AD/caf%C3%A9", "/\xe4\xb8\xad/caf\xc3\xa9"),
    ("/caf%E9", "/caf\xe9"),
    ("/a%3Fb%23c", "/a?b#c"),
    ("/a;b=c,d", "/a;b=c,d"),
    ("/a%25zz", "/a%zz"),
])
def test_paths(client, path, wanted):
    env = environ(client, "/environ/dump" + path + "?q=%2F")
    assert env["SCRIPT_NAME"] == ""
    assert env["PATH_INFO"] == "/environ/dump" + wanted
    assert env["REQUEST_URI"] == "/environ/dump" + path + "?q=%2F"
    assert env["QUERY_STRING"] == "q=%2F"


def test_the_environ_through_nginx(client, web, route):
    env = environ(client, headers=[
        ("X-Repeated", "1"), ("X-Repeated", "2"), ("Cookie", "a=1"),
        ("Cookie", "b=2"), ("Proxy", "http://evil"), ("Empty", ""),
        ("Authorization", "Basic am9lOg==")])
    assert env["REMOTE_ADDR"] == "127.0.0.1" and env["REMOTE_PORT"].isdigit()
    assert env["SERVER_NAME"] == "example.test"
    assert env["SERVER_PORT"] == str(web.addresses[route][1])
    assert env["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert env["REQUEST_METHOD"] == "GET"
    assert env["wsgi.url_scheme"] == "http"
    assert env["HTTP_HOST"] == "example.test"
    assert env["HTTP_AUTHORIZATION"] == "Basic am9lOg=="
    assert env["HTTP_X_REPEATED"] == "1, 2"
    assert env["HTTP_COOKIE"] == "a=1; b=2"
    assert env["HTTP_EMPTY"] == ""
    assert "HTTP_PROXY" not in env and "CONTENT_LENGTH" not in env


def test_a_prefix_by_script_name(shared, each, route):
    web = shared.nginx(each, fastcgi="""
            location /environ/ {
                include /etc/nginx/fastcgi_params;
                fastcgi_split_path_info ^(/environ)(/.*)$;
                fastcgi_param PATH_INFO $fastcgi_path_info;
                fastcgi_pass once;
            }""", uwsgi="""
            location /environ/ {
                include /etc/nginx/uwsgi_params;
                uwsgi_param SCRIPT_NAME /environ;
                uwsgi_pass once;
            }""")
    env = environ(web.client(route), "/environ/dump/x%20y")
    assert env["SCRIPT_NAME"] == "/environ"
    assert env["PATH_INFO"] == "/dump/x y"


def test_an_application_error_is_500(client):
    r = client.request("GET", "/failure/before?ValueError")
    assert r.status == 500 and r.body


def test_wrong_response_headers_are_500(client):
    r = client.request("GET", "/start/bad_header?crlf")
    assert r.status == 500 and r["X-A"] is None


def test_an_event_stream_flows(unbuffered, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    conn = http.client.HTTPConnection(*unbuffered.address,
                                      timeout=unbuffered.timeout)
    conn.request("GET", f"/body/gated?{gate}")
    r = conn.getresponse()
    assert r.read(3) == b"one"
    gate.write_bytes(b"open")
    assert r.read() == b"two"
    conn.close()


@pytest.mark.parametrize("path", ["with_a_length", "after_first_chunk"])
def test_a_late_failure_cuts_the_client_off(client, route, path):
    if route == "uwsgi" and path == "after_first_chunk":
        pytest.skip("nothing in uwsgi on a UNIX socket can show it")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        client.request("GET", f"/failure/{path}?ValueError")


def test_a_short_body_cuts_the_client_off(client):
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        client.request("GET", "/length/declared?200,100,25,10")


def test_large_responses(client):
    r = client.request("GET", "/body/megabytes?8")
    assert len(r.body) == 8 << 20


def test_a_slow_reader_gets_all(client):
    sock = client.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.sendall(b"GET /body/megabytes?2 HTTP/1.0\r\nHost: x\r\n\r\n")
    size = 0
    while data := sock.recv(1 << 16):
        size += len(data)
    assert size > 2 << 20
    sock.close()


def test_an_early_response_to_an_upload_is_never_502(unbuffered):
    """The body of 8 MB is still on its way when the answer goes out."""
    head = (b"POST /body/early HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Length: 8388608\r\n\r\n")
    for _ in range(20):
        sock = unbuffered.connect()
        sock.sendall(head)

        def upload(sock=sock):
            try:
                sock.sendall(bytes(8 << 20))
            except OSError:
                pass
        sender = threading.Thread(target=upload)
        sender.start()
        answer = b""
        while b"early" not in answer:
            data = sock.recv(65536)
            assert data, answer
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 ")
        sock.close()
        sender.join()


def test_kept_connections_leave_the_workers_free(saola, nginx):
    """keepalive 32 beside 2 workers: every request is served at once."""
    server = saola("hello:application", workers=2)
    client = nginx(server).client("fastcgi-kept")
    crowd = [client.connect() for _ in range(64)]
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(20):
        for sock in crowd:
            sock.sendall(request)
        for sock in crowd:
            answer = b""
            while not answer.endswith(b"hello\n"):
                data = sock.recv(4096)
                assert data, answer
                answer += data
            assert answer.startswith(b"HTTP/1.1 200 ")
    began = time.monotonic()
    for _ in range(50):
        assert client.request("GET", "/").body == b"hello\n"
    assert time.monotonic() - began < 5
    for sock in crowd:
        sock.close()


def test_nginx_reuses_kept_connections(saola, nginx):
    """The worker holds the same socket before and after 200 requests."""
    server = saola("hello:application", workers=1)
    [worker] = server.workers()
    client = nginx(server).client("fastcgi-kept")
    idle = set(procs.descriptors(worker).values())
    client.request("GET", "/")
    [kept] = set(procs.descriptors(worker).values()) - idle
    for _ in range(200):
        assert client.request("GET", "/").status == 200
    assert set(procs.descriptors(worker).values()) - idle == {kept}


def test_a_client_that_leaves(each, client):
    """nginx closes upstream; the iterable is closed, nothing is logged."""
    name = f"gone{client.address[1]}"
    after = each.mark()
    sock = client.connect()
    sock.sendall(f"GET /closing/client_leaves?{name} HTTP/1.0\r\n\r\n"
                 .encode())
    sock.recv(1000)
    sock.close()
    each.wait_log(f"closed {name}", after)
    assert not each.grep("Traceback|BrokenPipe", after)


def test_digest_of_20_mb(client):
    body = os.urandom(1 << 20) * 20
    r = client.request("PUT", "/echo/digest", body)
    assert r.text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def test_no_server_at_all_is_502(saola, nginx, route):
    """The harness itself: nginx says so when saola is gone."""
    server = saola("hello:application")
    web = nginx(server)
    assert web.client(route).request().status == 200
    assert server.stop() == 0
    assert web.client(route).request().status == 502

# SPDX-License-Identifier: MIT
"""A Flask application through nginx, by every route."""

import hashlib
import json
import os
import urllib.parse

import pytest

from web import form

CLASSES = ("sync", "threaded")


@pytest.fixture(scope="module")
def server(shared):
    return shared.saola("flaskapp:app", workers=2)


@pytest.fixture(scope="module")
def web(shared, server):
    return shared.nginx(server)


@pytest.fixture
def client(web, route):
    return web.client(route)


def test_a_page(client):
    r = client.request("GET", "/?name=J%C3%B6rg%20%26%20Co")
    assert (r.status, r.text) == (200, "Hello, J\xf6rg & Co!")
    assert r["Content-Length"] == str(len(r.body))


def test_head(client):
    r = client.request("HEAD", "/")
    assert (r.status, r.body, r["Content-Length"]) == (200, b"", "14")


def test_options(client):
    r = client.request("OPTIONS", "/form")
    assert "POST" in r["Allow"]


def test_a_form(client):
    body = urllib.parse.urlencode([("a", "1"), ("a", "\xe9"), ("b", "")])
    r = client.request("POST", "/form", body.encode(), {
        "Content-Type": "application/x-www-form-urlencoded"})
    assert json.loads(r.body)["fields"] == {"a": ["1", "\xe9"], "b": [""]}


def test_json(client):
    r = client.request("PUT", "/json", b'{"a": [1, null]}', {
        "Content-Type": "application/json"})
    assert json.loads(r.body) == {"a": [1, None]}


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload(client, chunked):
    data = os.urandom(3 << 20)
    body, kind = form(("file", "f", data))
    if chunked:
        body = iter([body[i:i + 99999] for i in range(0, len(body), 99999)])
    r = client.request("POST", "/upload", body, {"Content-Type": kind})
    assert json.loads(r.body) == {
        "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a_raw_chunked_body(client):
    r = client.request("POST", "/raw", iter([b"x" * 1000] * 10))
    assert r.text == "10000"


def test_a_stream(client):
    r = client.request("GET", "/stream")
    assert r.text.splitlines() == [f"/stream {n}" for n in range(1000)]


def test_a_file_and_a_range_of_it(client, tmp_path):
    data = os.urandom(300000)
    (tmp_path / "f").write_bytes(data)
    path = f"/file?path={tmp_path}/f"
    r = client.request("GET", path)
    assert r.body == data and r["Content-Length"] == "300000"
    part = client.request("GET", path, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, data[100:200])
    again = client.request("GET", path, headers={"If-None-Match": r["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_a_session(client):
    cookie = ""
    for n in range(1, 4):
        r = client.request("GET", "/count", headers={"Cookie": cookie})
        assert r.text == str(n)
        cookie = r["Set-Cookie"].partition(";")[0]


def test_a_redirect(client):
    r = client.request("GET", "/old")
    assert r.status == 302
    target = client.request("GET", r["Location"])
    assert json.loads(target.body)["name"] == "caf\xe9 au lait"


def test_a_missing_page(client):
    r = client.request("GET", "/no%20such")
    assert r.status == 404
    assert json.loads(r.body) == {"missing": "/no such"}


def test_a_failure_is_a_500_and_logged(client, server):
    after = server.mark()
    assert client.request("GET", "/fail").status == 500
    server.wait_log("RuntimeError: a Flask failure", after)


def test_below_a_prefix(shared, server, route):
    web = shared.nginx(server, fastcgi="""
            location /shop/ {
                include /etc/nginx/fastcgi_params;
                fastcgi_split_path_info ^(/shop)(/.*)$;
                fastcgi_param PATH_INFO $fastcgi_path_info;
                fastcgi_pass once;
            }""", uwsgi="""
            location /shop/ {
                include /etc/nginx/uwsgi_params;
                uwsgi_param SCRIPT_NAME /shop;
                uwsgi_pass once;
            }""")
    r = web.client(route).request("GET", "/shop/item/a/b")
    shown = json.loads(r.body)
    assert (shown["root"], shown["name"]) == ("/shop", "a/b")
    assert shown["url"] == "http://example.test/shop/item/a/b"
    assert web.client(route).request("GET", "/shop/old")[
        "Location"].startswith("/shop/item/")


@pytest.mark.parametrize("app", ["flaskapp:app", "flaskapp:app.wsgi_app"])
def test_loading(saola, protocol, app):
    server = saola(app, preload=True)
    assert server.client(protocol).request(path="/").text == "Hello, nobody!"

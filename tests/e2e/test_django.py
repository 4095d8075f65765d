# SPDX-License-Identifier: MIT
"""A Django project with its admin through nginx, by every route."""

import hashlib
import http.cookiejar
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from server import APPS, PATIENCE
from web import form

CLASSES = ("sync", "threaded")

SITE = APPS / "djsite"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The project's files, with a database and an administrator in it."""
    place = tmp_path_factory.mktemp("djsite")
    env = {"DJSITE_DIR": str(place), "PYTHONDONTWRITEBYTECODE": "1",
           "PATH": "/usr/bin:/bin", "DJANGO_SUPERUSER_PASSWORD": "secret"}
    for words in (["migrate", "--verbosity=0"],
                  ["createsuperuser", "--noinput", "--username=admin",
                   "--email=admin@example.test"]):
        subprocess.run(["/usr/bin/python3", "manage.py", *words], cwd=SITE,
                       env=env, check=True, stdout=subprocess.DEVNULL)
    (place / "download.bin").write_bytes(os.urandom(1 << 20) * 3)
    return place


@pytest.fixture(scope="module")
def server(shared, place):
    return shared.saola("wsgi:application", chdir=SITE, workers=2,
                        env={"DJSITE_DIR": place})


@pytest.fixture(scope="module")
def web(shared, server):
    return shared.nginx(server)


class Browser:
    """Cookies, redirects and forms."""

    def __init__(self, address):
        self.base = "http://%s:%d" % address
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path):
        with self.opener.open(self.base + path, timeout=PATIENCE) as r:
            return r.geturl(), r.read().decode()

    def post(self, path, fields):
        """Fetch the form, fill it in, send it with its token."""
        _, page = self.get(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        fields = {"csrfmiddlewaretoken": token.group(1), **fields}
        data = urllib.parse.urlencode(fields).encode()
        with self.opener.open(self.base + path, data, PATIENCE) as r:
            return r.geturl(), r.read().decode()

    def login(self):
        return self.post("/admin/login/?next=/admin/", {
            "username": "admin", "password": "secret", "next": "/admin/"})


@pytest.fixture
def browser(web, route):
    return Browser(web.addresses[route])


@pytest.fixture
def client(web, route):
    return web.client(route)


def test_the_admin(browser):
    """Login, add, edit, delete."""
    url, page = browser.login()
    assert url.endswith("/admin/") and "Site administration" in page
    url, page = browser.post("/admin/notes/note/add/", {
        "title": "Caf\xe9 <1>", "text": "first\nsecond"})
    assert url.endswith("/admin/notes/note/")
    assert "was added successfully" in page and "Caf\xe9 &lt;1&gt;" in page
    number = re.search(r"/admin/notes/note/(\d+)/change/", page).group(1)
    edit = f"/admin/notes/note/{number}/change/"
    assert "first\nsecond" in browser.get(edit)[1].replace("\r\n", "\n")
    _, page = browser.post(edit, {"title": "Renamed", "text": "x" * 50000})
    assert "was changed successfully" in page and "Renamed" in page
    assert "x" * 50000 in browser.get(edit)[1]
    _, page = browser.post(f"/admin/notes/note/{number}/delete/",
                           {"post": "yes"})
    assert "was deleted successfully" in page


def test_the_admin_asks_for_a_login(browser):
    url, page = browser.get("/admin/notes/note/")
    assert "/admin/login/" in url and 'name="password"' in page


def test_a_wrong_password(browser):
    _, page = browser.post("/admin/login/", {"username": "admin",
                                             "password": "wrong"})
    assert "Please enter the correct username" in page


def test_a_form_without_its_token_is_refused(browser):
    with pytest.raises(urllib.error.HTTPError) as error:
        browser.opener.open(browser.base + "/admin/login/", b"a=b", PATIENCE)
    assert error.value.code == 403
    error.value.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_20_mb_upload(client, chunked):
    data = os.urandom(1 << 20) * 20
    body, kind = form(("note", None, b"a note"),
                      ("file", "twenty.bin", data))
    if chunked:
        body = iter([body[i:i + 1000000]
                     for i in range(0, len(body), 1000000)])
    r = client.request("POST", "/upload/", body, {"Content-Type": kind})
    assert json.loads(r.body) == {
        "name": "twenty.bin", "size": len(data), "note": "a note",
        "sha256": hashlib.sha256(data).hexdigest()}


def test_a_streaming_download(client):
    r = client.request("GET", "/stream/20/")
    assert len(r.body) == 20 << 20
    assert all(r.body[n << 16] == n % 251 for n in range(320))


def test_a_file_download(client, place):
    r = client.request("GET", "/file/")
    assert r.body == (place / "download.bin").read_bytes()
    assert "download.bin" in r["Content-Disposition"]
    assert r["Content-Length"] == str(3 << 20)


def test_paths_and_queries(client):
    r = client.request("GET", "/where/caf%C3%A9/a%20b/%2F?x=1&x=%C3%A9")
    shown = json.loads(r.body)
    assert shown["path"] == shown["path_info"]
    assert shown["rest"].startswith("caf\xe9/a b/")
    assert shown["get"] == {"x": ["1", "\xe9"]}
    assert shown["host"] == "example.test" and shown["secure"] is False


def test_append_slash_redirects(client):
    r = client.request("GET", "/admin")
    assert (r.status, r["Location"]) == (301, "/admin/")


def test_a_missing_page(client):
    assert client.request("GET", "/nowhere").status == 404


def test_a_failing_view_is_logged(client, server):
    after = server.mark()
    assert client.request("POST", "/upload/", b"a=b", {
        "Content-Type": "application/x-www-form-urlencoded"}).status == 500
    server.wait_log("MultiValueDictKeyError", after)


def test_preloaded(saola, nginx, place, route):
    server = saola("wsgi:application", chdir=SITE, workers=2, preload=True,
                   env={"DJSITE_DIR": place})
    web = nginx(server)
    browser = Browser(web.addresses[route])
    assert "Site administration" in browser.login()[1]

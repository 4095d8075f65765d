# SPDX-License-Identifier: MIT
"""libfcgi's own command-line client, which knows nothing of our tests."""

import os
import subprocess

import pytest

from server import PATIENCE

CLASSES = ("sync", "threaded")


@pytest.fixture(scope="module")
def server(shared):
    return shared.saola("each:application", workers=1)


def cgi_fcgi(server, path, method="GET", body=b"", **more):
    """Its environment becomes the parameters. (exit code, STDOUT)"""
    env = {"REQUEST_METHOD": method, "SCRIPT_NAME": path, "REQUEST_URI": path,
           "CONTENT_LENGTH": str(len(body)), "SERVER_NAME": "h", **more}
    done = subprocess.run(
        ["/usr/bin/cgi-fcgi", "-bind", "-connect", server.address], env=env,
        input=body, stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout


def test_a_page(server):
    assert cgi_fcgi(server, "/hello/application") == (
        0, b"Content-Type: text/plain\r\nContent-Length: 6\r\n"
           b"Status: 200 OK\r\n\r\nhello\n")


def test_an_upload(server):
    body = os.urandom(300000)
    code, out = cgi_fcgi(server, "/echo/application", "POST", body)
    assert code == 0 and out.endswith(b"\r\n\r\n" + body)


def test_a_failure_is_its_exit_code(server):
    code, out = cgi_fcgi(server, "/failure/before", QUERY_STRING="ValueError")
    assert code == 1 and b"Status: 500" in out


def test_a_stream(server):
    code, out = cgi_fcgi(server, "/body/megabytes", QUERY_STRING="3")
    assert code == 0
    assert len(out.partition(b"\r\n\r\n")[2]) == 3 << 20

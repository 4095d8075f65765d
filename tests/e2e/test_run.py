# SPDX-License-Identifier: MIT
"""make run: one command, a page, and nothing left behind."""

import os
import re
import select
import signal
import socket
import subprocess

import pytest

import procs
from server import APPS, BINARY, PATIENCE, TOP, Pipe
from web import Http, form


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Run:
    def __init__(self, place, **env):
        self.tmp = place / "tmp"
        self.tmp.mkdir()
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(place),
                   "TMPDIR": str(self.tmp), "SAOLA": BINARY,
                   "PYTHONDONTWRITEBYTECODE": "1",
                   **{k: str(v) for k, v in env.items()}}
        out, self.out_writer = os.pipe()
        err, self.err_writer = os.pipe()
        self.process = subprocess.Popen(
            [TOP / "deploy" / "run.sh"], env=environ, cwd=place,
            stdin=subprocess.DEVNULL, stdout=self.out_writer,
            stderr=self.err_writer, start_new_session=True)
        os.close(self.out_writer)
        os.close(self.err_writer)
        self.out, self.err = Pipe(out), Pipe(err)

    def url(self):
        """The address of the URL it prints."""
        def printed():
            return next((m for line in self.out.lines if (m := re.search(
                r"http://([\d.]+):(\d+)/", line))), None)
        assert self.out.wait(lambda: printed() or self.out.ended, PATIENCE)
        found = printed()
        assert found, self.err.lines
        return found.group(1), int(found.group(2))

    def interrupt(self):
        """Ctrl-C goes to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self):
        fd = os.pidfd_open(self.process.pid)
        ended = select.select([fd], [], [], PATIENCE)[0]
        os.close(fd)
        assert ended, "still running"
        return self.process.wait()

    def left(self):
        return [str(p) for p in self.tmp.iterdir()]


@pytest.fixture
def run(tmp_path, saola):
    """saola is asked for its check that no process is left."""
    runs = []

    def start(**env):
        runs.append(Run(tmp_path, **env))
        return runs[-1]
    yield start
    for one in runs:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait()
        print("\n".join(one.out.lines + one.err.lines))


def test_the_demo(run):
    one = run(PORT=free_port())
    client = Http(one.url())
    page = client.request("GET", "/", host="%s:%d" % client.address)
    assert page.status == 200 and "<h1>saola</h1>" in page.text
    assert "<td>FastCGI</td>" in page.text
    assert "%s:%d" % client.address in page.text
    other = client.request("GET", "/uwsgi/")
    assert "<td>uwsgi</td>" in other.text
    assert 'action="/uwsgi/upload"' in other.text
    assert client.request("GET", "/uwsgi").status == 302
    assert client.request("GET", "/nowhere").status == 404
    lines = client.request("GET", "/uwsgi/stream").text.splitlines()
    assert len(lines) == 20
    body, kind = form(("file", "a&b.txt", b"x" * 1234567))
    shown = client.request("POST", "/upload", body,
                           {"Content-Type": kind}).text
    assert "1,234,567 bytes" in shown and "a&amp;b.txt" in shown
    one.interrupt()
    assert one.wait() == 0
    assert one.left() == []


def test_an_application_of_the_reader(run):
    one = run(PORT=free_port(), APP="hello:application", DIR=APPS)
    assert Http(one.url()).request("GET", "/").body == b"hello\n"
    one.process.terminate()
    assert one.wait() == 0
    assert one.left() == []


def test_a_port_that_is_taken(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one = run(PORT=port)
        address = one.url()
        assert address[1] > port
        assert Http(address).request("GET", "/").status == 200
        assert any(f"port {port} is taken" in line for line in one.err.lines)
        one.interrupt()
        assert one.wait() == 0


def test_an_application_that_does_not_load(run):
    one = run(PORT=free_port(), APP="nowhere:application")
    assert one.wait() == 3
    assert any("nowhere" in line for line in one.err.lines)
    assert one.left() == [] and one.out.lines == []


def test_nginx_conf_example_is_whole(tmp_path):
    """As it is, with relative paths only, below any prefix."""
    subprocess.run(
        ["/usr/sbin/nginx", "-t", "-q", "-p", tmp_path, "-e", "stderr",
         "-c", TOP / "nginx.conf.example"], check=True, cwd=tmp_path)


def test_the_harness_sees_orphans():
    """What the checks of every test rest on."""
    child = subprocess.run(
        ["/bin/sh", "-c", "sleep 60 >/dev/null & echo $!"],
        stdout=subprocess.PIPE, check=True)
    pid = int(child.stdout)
    assert pid in procs.children(os.getpid())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert procs.is_gone(pid)

# SPDX-License-Identifier: MIT
"""The fixtures of the end-to-end tests.

saola(app, **options)   starts the real binary (./saola, or $SAOLA) and returns
    a server.Server when its log says that the application is ready.
    saola("hello:application", workers=2, worker_class="sync", preload=True)
    Options are the long flags with _ for -: True is the bare flag, False is
    --no-FLAG, a list repeats it. Besides:
      bind=     absent: the harness binds a UNIX socket and passes it as fd://N;
                "tcp": the same on a loopback port; else it goes to --bind
      config=   text of a file given with --config (no app, chdir or workers
                then; saola.conf is in server.dir); wait_ready(count=) counts
                its applications
      env=      more environment; cwd=; args= (verbatim); chdir= (tests/apps);
                binary= (another program than ./saola); pass_fds=
      ready=False   do not wait: for starts that fail
    server.client(protocol)      our FastCGI or uwsgi client (tests/peer)
    server.log, .grep(re), .mark(), .wait_log(re, after=mark), .out.lines
    server.workers(), .templates(), .children(): pids; .pid is the master
    server.signal(n), .stop(n) and .wait_exit() give the exit code
    server.wait_for(predicate)   until it is true
    server.expect_log(re)        announce a crit line
    server.forgive("family")     this test changes the number of processes;
                                 also "descriptors", "files"
    server.follow(pid)           another master has taken over
    server.ctl(*words)           saolactl: the finished subprocess
    server.settle()              the processes and descriptors of now are right
protocol                "fastcgi", then "uwsgi": the test runs twice
route                   "fastcgi", "fastcgi-kept", "uwsgi": three times
nginx(server, ...)      a real nginx in front; nginx.client(route) speaks HTTP.
    http=, fastcgi=, uwsgi= are directives added to those blocks
shared                  the same as saola, but for the whole file: give it to a
    fixture of scope "module"; its servers are checked after every test
load                    path of the benchmark's load generator, built
worker_class            the class of the servers, unless their options say one:
    a file that has CLASSES = ("sync", "threaded") runs once for each
each                    one shared server: path /NAME/FUNCTION calls that
    function of tests/apps/NAME.py

After each test: no crit and no sanitizer line that was not announced; the
processes are those that were there; no zombie; no more descriptors in the
master. After each server: exit code 0 on TERM, no process left (this process
is a subreaper, so orphans show), no file left.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import procs  # noqa: E402
from peer import PROTOCOLS  # noqa: E402
from server import Server  # noqa: E402
from web import ROUTES, Nginx  # noqa: E402

procs.become_subreaper()

# Control sockets of servers that a test starts by itself go here.
ROOM = tempfile.TemporaryDirectory(prefix="saola-test-")
os.environ["RUNTIME_DIRECTORY"] = ROOM.name


CLASSES = {"sync": {}, "threaded": {"worker_class": "threaded", "threads": 4}}


class House:
    """Starts servers, and sees that they leave nothing."""

    def __init__(self, place, worker_class):
        self.place = place
        self.worker_class = worker_class
        self.servers = []
        self.webs = []
        self.ignored = set(procs.children(os.getpid()))

    def saola(self, app=None, **options):
        place = self.place / f"saola{len(self.servers)}"
        server = Server.__new__(Server)
        self.servers.append(server)
        for name, value in CLASSES[self.worker_class].items():
            options.setdefault(name, value)
        server.__init__(place, app, **options)
        return server

    def nginx(self, server, **options):
        web = Nginx(self.place / f"nginx{len(self.webs)}", server, **options)
        self.webs.append(web)
        return web

    def close(self, failed):
        for web in self.webs:
            web.stop()
        problems = []
        for server in self.servers:
            if not hasattr(server, "process"):
                continue
            try:
                if not failed:
                    server.finish()
            except AssertionError as error:
                problems.append(str(error))
            finally:
                server.kill()
                show(server)
        problems += self.strays()
        if problems and not failed:
            pytest.fail("\n".join(problems), pytrace=False)

    def strays(self):
        """Processes the servers left to us; they end here."""
        left = set(procs.children(os.getpid())) - self.ignored
        words = []
        for pid in left:
            if not procs.is_zombie(pid):
                words.append(f"left running: {pid} {procs.title(pid)}")
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return words


def show(server):
    """For the report of a failed test."""
    print("$", " ".join(map(str, server.command)))
    print("\n".join(server.log))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.failed = report.failed


def pytest_generate_tests(metafunc):
    classes = getattr(metafunc.module, "CLASSES", None)
    if classes and "worker_class" in metafunc.fixturenames:
        metafunc.parametrize("worker_class", classes, indirect=True,
                             scope="module")


@pytest.fixture(scope="module")
def worker_class(request):
    return getattr(request, "param", "sync")


@pytest.fixture
def saola(tmp_path, worker_class, request):
    house = House(tmp_path, worker_class)
    request.node.house = house
    yield house.saola
    house.close(getattr(request.node, "failed", True))


@pytest.fixture
def nginx(saola, request):
    return request.node.house.nginx


class Shared:
    def __init__(self, house):
        self.house = house
        self.saola = house.saola
        self.nginx = house.nginx


SHARED = []


@pytest.fixture(scope="module")
def shared(tmp_path_factory, worker_class):
    house = House(tmp_path_factory.mktemp("shared"), worker_class)
    SHARED.append(house)
    yield Shared(house)
    SHARED.remove(house)
    house.close(False)


@pytest.fixture(autouse=True)
def check_shared(request):
    """The invariants of servers that outlive a test."""
    yield
    for house in SHARED:
        for server in house.servers:
            if getattr(request.node, "failed", False):
                show(server)
            server.check_alive()


@pytest.fixture(scope="module")
def each(shared):
    return shared.saola("each:application", workers=2)


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    program = tmp_path_factory.mktemp("load") / "load"
    source = pathlib.Path(__file__).resolve().parents[1] / "bench" / "load.c"
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-o", program,
                    source], check=True)
    return program


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request):
    return request.param


@pytest.fixture(params=ROUTES)
def route(request):
    return request.param

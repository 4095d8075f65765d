# SPDX-License-Identifier: MIT
"""Deadlines: whatever a request does, its client is answered, its stack is in
the log, and the worker is whole again in time."""

import random
import re
import resource
import signal
import threading
import time

import pytest

import procs
from peer import BadResponse, fastcgi
from test_process import Load

CLASSES = ("sync", "threaded")

TIMEOUT, GRACE = 0.5, 0.5
WHOLE = TIMEOUT + GRACE + 1

# How a request can be stuck, and the classes whose worker survives it. The
# exception ends a system call in the main thread only.
STUCK = {
    "sleep": ("sync",), "spin": ("sync", "threaded"), "regex": ("sync",),
    "lock": ("sync",), "flock": ("sync",), "stop": ("sync",), "held": (),
    "deaf": (), "held_by_neighbour": (),
}


@pytest.fixture(scope="module")
def short(shared):
    return shared.saola("each:application", workers=2, timeout=f"{TIMEOUT}s",
                        abort_grace=f"{GRACE}s", access_logfile="-",
                        access_logformat="%(r)s %(s)s %(why)s")


def access(server, pattern, after=0):
    """The first line of the access log that matches."""
    return server.wait_for(lambda: next(
        (line for line in server.out.lines[after:]
         if re.search(pattern, line)), None))


@pytest.mark.parametrize("kind", STUCK)
def test_stuck(short, worker_class, protocol, kind):
    """R14: 504, stacks and the request in the log, a whole pool in time."""
    after, lines = short.mark(), len(short.out.lines)
    began = time.monotonic()
    response = short.client(protocol).request(path=f"/deadline/{kind}?60")
    answered = time.monotonic() - began
    assert response.status == 504
    assert response.body == b"504 Gateway Timeout\n"
    assert TIMEOUT <= answered < TIMEOUT + 0.5
    short.wait_log(rf"worker \d: GET /deadline/{kind}\?60: over its timeout, "
                   r"running for \d\.\d s$", after)
    short.wait_log(rf'deadline.py", line \d+ in {kind}$', after)
    access(short, rf"GET /deadline/{kind}\?60 HTTP/1.1 504 timeout$", lines)
    if worker_class in STUCK[kind]:
        short.wait_log(rf"GET /deadline/{kind}\?60: ended \d", after)
    else:
        short.wait_log("did not end within abort_grace", after)
        short.wait_log(rf"is to be replaced: GET /deadline/{kind}\?60 does "
                       "not end", after)
        short.wait_log(r"worker \d \(pid \d+\) ready", after)
    assert time.monotonic() - began < WHOLE
    short.wait_for(lambda: len(short.workers()) == 2)
    assert short.client(protocol).request(path="/deadline/pid").status == 200


def test_neighbours_of_a_stuck_thread(saola, protocol):
    """They end in peace, though their worker is to go."""
    server = saola("each:application", workers=1, worker_class="threaded",
                   threads=4, timeout=f"{TIMEOUT}s", abort_grace=f"{GRACE}s")
    client = server.client(protocol)
    pid = client.request(path="/deadline/pid").text
    after = server.mark()
    with client.connect() as stuck, client.connect() as busy:
        busy.send(client.wire("GET", "/deadline/extended?15"))
        stuck.send(client.wire("GET", "/deadline/sleep"))
        assert stuck.response().status == 504
        server.wait_log(rf"worker 0 \(pid {pid}\) is to be replaced", after)
        server.wait_log(r"worker 0 \(pid \d+\) ready", after)
        assert client.request(path="/deadline/pid").text != pid
        assert int(pid) in server.workers()
        assert busy.response().text == "done"
    server.wait_log(rf"worker 0 \(pid {pid}\) exited with code 1", after)
    assert len(server.workers()) == 1


def test_every_stack_of_the_process(short):
    after = short.mark()
    short.client("uwsgi").request(path="/deadline/neighbour")
    short.wait_log(r'deadline.py", line \d+ in neighbour$', after)
    short.wait_log(r'deadline.py", line \d+ in in_the_background$', after)


def test_through_nginx(short, shared, route):
    client = shared.nginx(short).client(route)
    assert client.request("GET", "/deadline/sleep").status == 504
    assert client.request("GET", "/deadline/pid").status == 200


def test_head_has_no_body(short, protocol):
    response = short.client(protocol).request("HEAD", "/deadline/sleep")
    assert (response.status, response.body) == (504, b"")


def test_a_kept_connection_ends_with_it(short):
    with short.client("fastcgi").connect() as conn:
        conn.send(fastcgi.wire("GET", "/deadline/pid", keep=True))
        assert conn.response().status == 200
        conn.send(fastcgi.wire("GET", "/deadline/sleep", keep=True))
        response = conn.response()
        assert (response.status, response.end) == (504, (0, 0))
        conn.closes()


def test_a_post(short, protocol):
    response = short.client(protocol).request(
        "POST", "/deadline/sleep", {}, b"x" * 300000)
    assert response.status == 504


def test_the_exception(short, protocol):
    """No Exception, so that it passes where anything is caught; and whoever
    catches it all the same answers nobody any more."""
    after = short.mark()
    client = short.client(protocol)
    assert client.request(path="/deadline/cleans").status == 504
    short.wait_log("cleans: RequestTimeout:", after)
    assert client.request(path="/deadline/answers").status == 504
    assert not short.grep("caught as Exception|Traceback", after)


def test_a_stream_is_cut(short, protocol):
    """What has begun cannot be answered any more: it looks broken."""
    for length in ("", "10"):
        lines = len(short.out.lines)
        response = short.client(protocol).request(
            path=f"/deadline/stream?{length}", cut=True)
        assert (response.status, response.body) == (200, b"first")
        access(short, r"GET /deadline/stream\S* HTTP/1.1 200 timeout", lines)


def test_a_stream_is_cut_through_nginx(short, shared, route):
    client = shared.nginx(short).client(route)
    with pytest.raises(Exception):
        client.request("GET", "/deadline/stream?10")


def test_a_writer_whom_nobody_reads(short, protocol):
    after = short.mark()
    client = short.client(protocol)
    with client.connect() as conn:
        conn.send(client.wire("GET", "/deadline/endless"))
        short.wait_log("GET /deadline/endless: ended", after)
        conn.rest()


def test_a_whole_response_stays_whole(short, protocol):
    """close() takes too long: the client does not know."""
    after, lines = short.mark(), len(short.out.lines)
    response = short.client(protocol).request(path="/deadline/closing")
    assert (response.status, response.body) == (200, b"whole")
    short.wait_log("GET /deadline/closing: ended", after)
    short.wait_log(r'deadline.py", line \d+ in close$', after)
    access(short, "GET /deadline/closing HTTP/1.1 200 timeout", lines)
    assert not short.grep("Traceback", after)


def test_more_time_on_request(short, protocol):
    """Two seconds of work at a timeout of half a second."""
    response = short.client(protocol).request(path="/deadline/extended?10")
    assert response.text == "done"


def test_who_asked_for_more_time_is_held_to_it(short):
    response = short.client("uwsgi").request(path="/deadline/extended_once")
    assert response.status == 504


def test_a_number_of_seconds_is_asked_for(short):
    response = short.client("uwsgi").request(path="/deadline/extend_badly")
    assert response.text == "TypeError ValueError ValueError ValueError None"


def test_the_next_request_is_not_meant(saola):
    """The exception never comes after the end of the request it is for."""
    server = saola("deadline:application", workers=1, timeout="0.05s")
    client = server.client("uwsgi")
    client.request(path="/deadline/pid")
    for _ in range(40):
        status = client.request(path="/deadline/sleep?0.05").status
        assert status in (200, 504)
        assert client.request(path="/deadline/spin?0.002").status == 200


class Races(threading.Thread):
    """Requests that end as their deadline comes, on one of each kind of
    connection. Each gets exactly one whole answer."""

    def __init__(self, server, seed, count):
        super().__init__()
        self.server = server
        self.rng = random.Random(seed)
        self.count = count
        self.seen = {200: 0, 504: 0}
        self.bad = []

    def path(self):
        seconds = self.rng.uniform(0.008, 0.012)
        kind = self.rng.choice(["sleep", "sleep", "spin"])
        return f"/deadline/{kind}?{seconds:.4f}"

    def take(self, response):
        whole = {200: b"done", 504: b"504 Gateway Timeout\n"}
        if whole.get(response.status) != response.body:
            raise BadResponse(response)
        self.seen[response.status] += 1
        return response.status

    def kept(self, client):
        """Until a connection ends with its 504."""
        with client.connect() as conn:
            while self.count > 0:
                self.count -= 1
                conn.send(fastcgi.wire("GET", self.path(), keep=True))
                if self.take(conn.response()) == 504:
                    conn.closes()
                    return

    def run(self):
        clients = [self.server.client(n) for n in ("fastcgi", "uwsgi")]
        while self.count > 0 and not self.bad:
            try:
                self.kept(clients[0])
                for client in clients:
                    self.count -= 1
                    self.take(client.request(path=self.path()))
            except Exception as error:
                self.bad.append(error)


def test_ten_thousand_races(saola, tmp_path):
    server = saola("deadline:application", workers=8, timeout="0.01s",
                   error_logfile=tmp_path / "error.log", ready=False)
    server.forgive("files")
    server.wait_for(lambda: len(server.workers()) == 8)
    server.settle()
    races = [Races(server, seed, 10000 // 16) for seed in range(16)]
    for race in races:
        race.start()
    for race in races:
        race.join()
    assert [race.bad for race in races if race.bad] == []
    seen = {s: sum(race.seen[s] for race in races) for s in (200, 504)}
    assert sum(seen.values()) >= 10000
    assert min(seen.values()) > 500, seen
    log = (tmp_path / "error.log").read_text()
    assert "Traceback" not in log


def test_without_a_timeout(saola):
    server = saola("each:application", timeout=0, workers=1)
    assert server.client("uwsgi").request(
        path="/deadline/sleep?1").text == "done"


def test_a_stop_in_a_hurry_answers(saola):
    """INT: nobody waits for the end of a request, but its client hears."""
    server = saola("each:application", workers=1)
    client = server.client("uwsgi")
    with client.connect() as conn:
        conn.send(client.wire("GET", "/deadline/cleans"))
        assert not conn.readable(0.2)
        server.signal(signal.SIGINT)
        assert conn.response().status == 504
    assert server.wait_exit() == 0
    assert server.grep("RequestTimeout")
    assert not server.grep("most recent call first")


# The slow log.

def test_slow_requests(saola, protocol):
    server = saola("each:application", workers=1, slow_timeout="0.1s")
    client = server.client(protocol)
    client.request(path="/deadline/pid")
    after = server.mark()
    assert client.request(path="/deadline/sleep?0.05").text == "done"
    assert client.request(path="/deadline/sleep?0.3").text == "done"
    server.wait_log(r"warn .*worker 0: GET /deadline/sleep\?0.3: slow, "
                    r"running for 0\.1 s$", after)
    server.wait_log(r'deadline.py", line \d+ in sleep$', after)
    server.wait_log(r"GET /deadline/sleep\?0.3: took 0\.3\d\d s$", after)
    assert not server.grep(r"sleep\?0.05", after)


def test_a_slow_log_of_its_own(saola, tmp_path):
    log = tmp_path / "slow.log"
    server = saola("each:application", workers=1, slow_timeout="0.05s",
                   slow_logfile=log)
    client = server.client("uwsgi")
    client.request(path="/deadline/pid")
    client.request(path="/deadline/sleep?0.1")
    assert "in sleep" in log.read_text()
    assert not server.grep("deadline/sleep")
    log.rename(tmp_path / "slow.log.1")
    server.signal(signal.SIGUSR1)
    server.wait_for(log.exists)
    client.request(path="/deadline/sleep?0.1")
    assert "took 0.1" in log.read_text()


# Load shedding.

def ago(seconds):
    return f"t={time.time() - seconds:.3f}"


@pytest.mark.parametrize("name", ["HTTP_X_REQUEST_START", "REQUEST_START"])
def test_who_has_waited_too_long_is_sent_away(saola, protocol, name):
    server = saola("each:application", workers=1, queue_timeout="0.5s",
                   access_logfile="-", access_logformat="%(r)s %(s)s %(why)s")
    client = server.client(protocol)
    response = client.request(path="/deadline/count", params={name: ago(1)})
    assert response.status == 503
    assert response["Retry-After"] == "1"
    if protocol == "fastcgi":
        assert response.end == (0, fastcgi.OVERLOADED)
    access(server, "GET /deadline/count HTTP/1.1 503 shed")
    server.wait_log(r"GET /deadline/count: answered with 503: it has waited "
                    r"for 1\.\d+ s \(queue_timeout\)")
    for value in (ago(0.1), ago(-5), ago(86400), "nonsense"):
        assert client.request(path="/deadline/pid",
                              params={name: value}).status == 200
    assert client.request(path="/deadline/count").text == "1"


def test_who_has_left_the_queue_is_not_served(saola, protocol):
    """Their peers are gone when their turn comes: the application is spared."""
    server = saola("each:application", workers=1, threads=1,
                   access_logfile="-",
                   access_logformat="%(r)s %(s)s %(why)s")
    client = server.client(protocol)
    with client.connect() as busy:
        busy.send(client.wire("GET", "/deadline/sleep?0.5"))
        for _ in range(3):
            with client.connect() as conn:
                conn.send(client.wire("GET", "/deadline/count"))
        # Behind them, in the same queue.
        assert client.request(path="/deadline/pid").status == 200
        assert busy.response().text == "done"
    assert client.request(path="/deadline/count").text == "1"
    access(server, "GET /deadline/count HTTP/1.1 499 aborted")


# Recycling.

def ready_lines(server, after):
    return server.grep(r"worker \d \(pid \d+\) ready", after)


def test_recycling_loses_nothing(saola, protocol):
    """Under load: each is replaced in its turn, when the next one serves."""
    server = saola("each:application", workers=2, max_requests=50,
                   max_requests_jitter=10)
    after = server.mark()
    load = Load(server, protocol, path="/deadline/pid")
    server.wait_for(lambda: len(ready_lines(server, after)) >= 8)
    load.stop()
    assert load.bad == []
    reasons = server.grep(r"is to be replaced: \d+ requests "
                          r"\(max_requests\)$", after)
    assert len(reasons) >= 8
    served = [int(re.search(r": (\d+) requests", line)[1]) for line in reasons]
    assert 50 <= min(served) and max(served) <= 60
    # Ids are handed on, and nobody left before somebody came.
    ready = 2
    for line in server.log[after:]:
        ready += "ready" in line
        ready -= line.endswith("left")
        assert 1 <= ready <= 3
    server.wait_for(lambda: server.census() == server.family)


def test_one_that_lives_long_is_replaced(saola):
    server = saola("each:application", workers=2, max_worker_age="0.3s")
    after = server.mark()
    server.wait_for(lambda: len(server.grep(r"left$", after)) >= 4)
    assert server.grep(r"is to be replaced: max_worker_age$", after)
    server.forgive("family")


def test_memory_soft(saola, protocol):
    """Looked at between requests: whoever kept too much is replaced."""
    server = saola("each:application", workers=1, memory_soft="120m")
    after = server.mark()
    client = server.client(protocol)
    pid = client.request(path="/deadline/pid").text
    assert client.request(path="/deadline/keep?200").text == "done"
    deadline = time.monotonic() + 10
    while client.request(path="/deadline/pid").text == pid:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.wait_log(r"is to be replaced: \d+ MB of memory \(memory_soft\)$",
                    after)
    server.wait_log(rf"worker 0 \(pid {pid}\) left", after)


def test_memory_hard(saola, protocol):
    """A runaway is ended at once, and its client hears of it."""
    server = saola("each:application", workers=1, memory_hard="200m")
    after = server.mark()
    began = time.monotonic()
    response = server.client(protocol).request(path="/deadline/hoard?400")
    assert response.status == 503
    assert time.monotonic() - began < 2
    server.wait_log(r"GET /deadline/hoard\?400: \d+ MB of memory "
                    r"\(memory_hard\)$", after)
    server.wait_log(r"worker 0 \(pid \d+\) ready", after)
    assert server.client(protocol).request(path="/deadline/pid").status == 200


def test_memory_hard_without_other_limits(saola):
    server = saola("each:application", workers=1, memory_hard="200m",
                   timeout=0)
    response = server.client("uwsgi").request(path="/deadline/hoard?400")
    assert response.status == 503
    server.wait_log(r"worker 0 \(pid \d+\) ready", len(server.log) - 3)


def test_a_replacement_that_does_not_boot(saola, tmp_path):
    """The old one serves on, however old it is."""
    (tmp_path / "fragile.py").write_text(
        "import os, saola\n"
        "assert not os.path.exists(__file__ + '.broken')\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(os.getpid()).encode()]\n")
    server = saola("fragile:application", chdir=tmp_path, workers=1,
                   max_requests=5, max_requests_jitter=0)
    client = server.client("uwsgi")
    (tmp_path / "fragile.py.broken").touch()
    pid = client.request().text
    for _ in range(10):
        assert client.request().text == pid
    server.wait_log("worker failed to boot")
    assert client.request().text == pid
    (tmp_path / "fragile.py.broken").unlink()
    server.wait_log(rf"worker 0 \(pid {pid}\) left")
    assert client.request().text != pid


# Deaths.

def test_a_kill_is_no_lack_of_memory(saola):
    server = saola("each:application", workers=1)
    after = server.mark()
    [worker] = server.workers()
    server.signal(signal.SIGKILL, worker)
    line = server.wait_log(r"killed by SIGKILL", after)
    assert "out of memory" not in line
    server.wait_log(r"worker 0 \(pid \d+\) ready", after)


def test_crashes_in_a_row_back_off(saola):
    server = saola("each:application", workers=1)
    client = server.client("fastcgi")
    after = server.mark()

    def crash(number):
        assert client.request(path="/deadline/pid").status == 200
        assert client.request(path="/dying/by_signal?11", cut=True).end is None
        server.wait_for(lambda: len(server.grep("killed by SIGSEGV", after))
                        == number)
    for number in range(1, 4):
        crash(number)
        server.wait_for(lambda: len(ready_lines(server, after)) == number)
    assert not server.grep("next try", after)
    crash(4)
    server.wait_log("4 workers in a row died by a signal", after)
    server.wait_log("next try in 1 s", after)
    server.wait_for(lambda: len(ready_lines(server, after)) == 4)


def test_no_descriptor_left(saola):
    """R19: no spinning while there is none, and service when there is."""
    server = saola("each:application", workers=1)
    [worker] = server.workers()
    client = server.client("uwsgi")
    limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    used = len(procs.descriptors(worker))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 8, limits[1]))
    after = server.mark()
    crowd = [client.connect() for _ in range(20)]
    for conn in crowd:
        conn.send(client.wire("GET", "/deadline/pid")[:20])
    server.wait_log("accept: Too many open files", after)
    before = cpu(worker)
    time.sleep(1)
    assert cpu(worker) - before < 0.1
    assert len(server.grep("Too many open files", after)) <= 3
    resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
    began = time.monotonic()
    assert client.request(path="/deadline/pid").status == 200
    assert time.monotonic() - began < 1
    for conn in crowd:
        conn.close()


def cpu(pid):
    """Seconds of processor time so far."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


# The scoreboard.

def test_a_worker_that_scribbles_over_the_scoreboard(saola):
    """The master, and the workers of others, live on."""
    server = saola(config="""\
[app good]
application = each:application
chdir = %(apps)s
bind = unix:good.sock
workers = 2
[app evil]
application = each:application
chdir = %(apps)s
bind = unix:evil.sock
workers = 2
timeout = 1s
""" % {"apps": apps()}, ready=False)
    server.wait_ready(count=2)
    server.forgive("family")
    after = server.mark()
    for seed in range(4):
        server.address = str(server.dir / "evil.sock")
        try:
            server.client("uwsgi").request(
                path=f"/deadline/scribble?{seed}", cut=True)
        except (BadResponse, OSError):
            pass
        server.address = str(server.dir / "good.sock")
        assert server.client("uwsgi").request(
            path="/deadline/pid").status == 200
    assert not server.grep("SIGSEGV|SIGBUS|SIGABRT", after)
    server.wait_for(lambda: len(server.workers("good")) == 2)
    server.wait_for(lambda: len(server.workers("evil")) == 2)


def apps():
    from server import APPS
    return APPS

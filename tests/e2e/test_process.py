# SPDX-License-Identifier: MIT
"""Processes: start, death, reload, stop, signals and exit codes."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import threading
import time

import pytest

import procs
from server import BINARY, StartError

CLASSES = ("sync", "threaded")

ROOT = os.geteuid() == 0


def get(server, path="/", protocol="fastcgi"):
    return server.client(protocol).request(path=path).body.decode()


def facts(server, query=""):
    return json.loads(get(server, "/?" + query))


def write_app(place, body, name="app.py"):
    """An application whose every answer is the text."""
    (place / name).write_text(body if "\n" in body else (
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        f"    return [{body.encode()!r}]\n"))


def run(*args, **kwargs):
    return subprocess.run([BINARY, *map(str, args)], text=True, timeout=60,
                          capture_output=True, stdin=subprocess.DEVNULL,
                          **kwargs)


class Blocked:
    """A request that runs until let go."""

    def __init__(self, server, place, protocol="fastcgi"):
        self.fifo = place / f"fifo{time.monotonic_ns()}"
        os.mkfifo(self.fifo)
        self.answer = None
        self.server = server
        self.thread = threading.Thread(target=self.ask, args=(protocol,))
        self.thread.start()
        # Opening the other end returns when the application has opened its.
        self.gate = open(self.fifo, "w", encoding="ascii")

    def ask(self, protocol):
        client = self.server.client(protocol)
        try:
            self.answer = client.request(path=f"/process/gate?{self.fifo}")
        except Exception as error:
            self.answer = error

    def let_go(self):
        self.gate.close()
        self.thread.join()
        self.fifo.unlink()
        return self.answer


class Load:
    """Requests in a loop, from a few threads, until stopped."""

    def __init__(self, server, protocol, threads=4, path="/"):
        self.bad, self.good, self.bodies = [], 0, set()
        self.server = server
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.loop, args=(
            server.client(protocol), path)) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def loop(self, client, path):
        while not self.over.is_set():
            try:
                response = client.request(path=path)
                bad = None if response.status == 200 else response
            except Exception as error:
                bad = error
            if bad is not None and self.server.process.poll() is not None:
                return
            with self.lock:
                if bad is not None:
                    self.bad.append(bad)
                else:
                    self.good += 1
                    self.bodies.add(response.body.decode())

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self


# Start.

def test_titles_and_the_first_line(saola):
    server = saola("hello:application", workers=2)
    assert re.search(r"saola \S+ listening on unix:\S+ \(FastCGI and uwsgi, "
                     r"not HTTP\)$", server.log[0])
    assert procs.title(server.pid) == "saola: master"
    assert server.census() == ["saola: template hello",
                               "saola: worker hello/0",
                               "saola: worker hello/1"]
    assert server.grep(r"app hello: ready \(2 workers\b")


def test_workers_are_the_masters_own_children(saola):
    server = saola("identity:application")
    assert facts(server)["ppid"] == server.pid


def test_import_in_the_worker_or_with_preload_in_the_template(saola):
    told = facts(saola("identity:application"))
    assert told["import_pid"] == told["pid"]
    server = saola("identity:application", preload=True, workers=2)
    told = facts(server)
    assert told["import_pid"] in server.templates()


def test_at_fork_handlers_run(saola):
    told = facts(saola("identity:application", preload=True))
    assert told["forks"] == ["before", "child"]


def test_a_thread_of_the_import_does_not_stop_preload(saola, tmp_path):
    write_app(tmp_path, "import threading, time\n"
              "lock = threading.Lock()\n"
              "def spin():\n"
              "    while True:\n"
              "        with lock:\n"
              "            time.sleep(0.0001)\n"
              "threading.Thread(target=spin, daemon=True).start()\n"
              "from hello import application\n")
    server = saola("app:application", chdir=tmp_path, preload=True,
                   workers=4, pythonpath=str(server_apps()))
    assert get(server) == "hello\n"


def server_apps():
    from server import APPS
    return APPS


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("text, code, sentence", [
    ("import nosuchmodule\n", 3,
     "ModuleNotFoundError: No module named 'nosuchmodule'"),
    ("1 / 0\n", 3, "ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit('no')\n", 3, "SystemExit"),
    ("x = 1\n", 4, "application"),
    ("application = 3\n", 4, "application"),
])
def test_a_boot_failure_is_one_sentence_and_a_code(
        saola, tmp_path, text, code, sentence, preload):
    write_app(tmp_path, text)
    server = saola("app:application", chdir=tmp_path, ready=False, workers=3,
                   preload=preload)
    assert server.wait_exit() == code
    who = "template" if preload else "worker"
    lines = server.grep(f"app app: {who} failed to boot: ")
    assert len(lines) == 1 and sentence in lines[0]
    if code == 3:
        assert len(server.grep("Traceback")) == 1
        assert server.grep("app.py")


def test_a_crash_while_booting_is_a_boot_failure(saola, tmp_path):
    write_app(tmp_path, "import os, signal\n"
              "os.kill(os.getpid(), signal.SIGKILL)\n")
    server = saola("app:application", chdir=tmp_path, ready=False)
    assert server.wait_exit() == 3
    assert server.grep("app app: worker failed to boot: killed by SIGKILL$")


def test_startup_timeout(saola, tmp_path):
    write_app(tmp_path, "import time\ntime.sleep(100)\n")
    for preload in False, True:
        server = saola("app:application", chdir=tmp_path, ready=False,
                       startup_timeout="0.3s", preload=preload)
        assert server.wait_exit() == 3
        assert server.grep(r"failed to boot: not ready after 0\.3 s "
                           r"\(startup_timeout\)")


def test_others_serve_while_one_application_fails(saola, tmp_path):
    write_app(tmp_path, "import nosuchmodule\n", "bad.py")
    write_app(tmp_path, "good", "good.py")
    server = saola(config=f"""
[defaults]
chdir = {tmp_path}
workers = 1
[app bad]
application = bad
bind = unix:{tmp_path}/bad
[app good]
application = good
bind = unix:{tmp_path}/good
""", ready=False)
    server.wait_log("app good: ready")
    server.wait_log("app bad: next try in 1 s")
    server.address = f"{tmp_path}/good"
    assert get(server) == "good"
    server.wait_log("app bad: next try in 2 s")
    write_app(tmp_path, "repaired", "bad.py")
    server.wait_log("app bad: ready")
    server.address = f"{tmp_path}/bad"
    assert get(server) == "repaired"
    server.settle()


@pytest.mark.parametrize("text, code", [
    ("def application(e, s): pass\n", 0), ("import nosuchmodule\n", 1),
    ("x = 1\n", 1),
])
@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_check_config_loads_the_application(tmp_path, text, code, preload):
    write_app(tmp_path, text)
    done = run("--check-config", "-b", f"unix:{tmp_path}/s", *preload,
               "--chdir", tmp_path, "app:application")
    assert done.returncode == code, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()
                  if p.name != "__pycache__") == ["app.py"]
    if code:
        assert re.search(r"error \[\d+\] app app: ", done.stderr)


def test_check_config_resolves_users(tmp_path):
    done = run("--check-config", "-u", "no-such-user", "app:application")
    assert done.returncode == 1
    assert "there is no user no-such-user" in done.stderr


# Identity.

def test_environment(saola, tmp_path):
    told = facts(saola("identity:application", env={
        "NOTIFY_SOCKET": "/nowhere", "LISTEN_FDNAMES": "x", "KEPT": "yes",
    }, args=["-e", "MINE=a=b", "-e", "EMPTY="]))
    env = told["env"]
    assert (env["MINE"], env["EMPTY"], env["KEPT"]) == ("a=b", "", "yes")
    assert re.fullmatch(r"saola/\d+\.\d+\.\d+", env["SERVER_SOFTWARE"])
    assert not {k for k in env if k.startswith(("LISTEN_", "NOTIFY_",
                                                "WATCHDOG_"))}


def test_chdir_umask_and_pythonpath(saola, tmp_path):
    (tmp_path / "more").mkdir()
    told = facts(saola("identity:application", umask="027",
                       pythonpath=f"{tmp_path}/more"))
    assert told["umask"] == 0o27
    assert told["cwd"].endswith("/tests/apps")
    assert f"{tmp_path}/more" in told["path"][:3]


def test_a_chdir_that_is_missing_is_a_boot_failure(saola):
    server = saola("hello:application", chdir="/nowhere", ready=False)
    assert server.wait_exit() == 1
    assert server.grep("failed to boot: chdir /nowhere: No such file")


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
@pytest.mark.parametrize("user, group, uid, gid", [
    ("daemon", None, 1, 1), ("1", None, 1, 1), ("daemon", "nogroup", 1, 65534),
    ("12345", "54321", 12345, 54321), (None, "daemon", 0, 1),
])
def test_user_and_group(saola, tmp_path_factory, user, group, uid, gid):
    place = tmp_path_factory.mktemp("identity")
    for part in [place, *place.parents][:3]:
        part.chmod(part.stat().st_mode | 0o755)
    source = server_apps() / "identity.py"
    (place / "identity.py").write_text(source.read_text())
    server = saola("identity:application", chdir=place, user=user,
                   group=group)
    told = facts(server)
    assert told["uid"] == [uid] * 3 and told["gid"] == [gid] * 3
    assert gid in told["groups"]
    assert uid == 0 or 0 not in told["groups"]
    assert told["no_new_privs"] == 1
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        assert "Uid:\t0\t0\t0\t0\n" in f


@pytest.mark.parametrize("words", [["-u", "no-such-user"],
                                   ["-g", "no-such-group"]])
def test_unknown_user_or_group(saola, words):
    server = saola("hello:application", ready=False, args=words)
    assert server.wait_exit() == 1
    assert server.grep(f"there is no (user|group) {words[1]}")


def test_a_subprocess_inherits_nothing(saola):
    server = saola("identity:application", workers=2, access_logfile="-")
    assert facts(server, "inherited") == []
    assert facts(server, "signals") == [0, 0]
    assert facts(server)["blocked"] == 0


# Death.

@pytest.mark.parametrize("number, name", [
    (signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV"),
    (signal.SIGABRT, "SIGABRT"),
])
def test_a_death_is_told_with_signal_and_request(saola, number, name):
    server = saola("each:application")
    with server.client("fastcgi").connect() as conn:
        conn.send(server.client("fastcgi").wire(
            "GET", f"/dying/by_signal?{int(number)}", {}, b""))
        line = server.wait_log(r"worker 0 \(pid \d+\) killed by")
    assert f"killed by {name}" in line
    assert f"serving GET /dying/by_signal?{int(number)} for 0." in line
    server.wait_log(r"worker 0 \(pid \d+\) ready")


def test_an_exit_is_told_with_its_code(saola):
    server = saola("each:application")
    mark = server.mark()
    with server.client("fastcgi").connect() as conn:
        conn.send(server.client("fastcgi").wire(
            "GET", "/dying/by_exit?7", {}, b""))
        server.wait_log(r"worker 0 \(pid \d+\) exited with code 7, serving")
    server.wait_log(r"worker 0 \(pid \d+\) ready", after=mark)
    assert get(server, "/process/pid").isdigit()


def test_a_killed_worker_is_replaced_at_once(saola, protocol):
    """R9 in short: nothing is lost but what the victim had in hand."""
    server = saola("each:application", workers=2)
    load = Load(server, protocol, path="/process/pid")
    for _ in range(20):
        mark = server.mark()
        # One that has served nothing yet might be a crash loop.
        server.wait_for(lambda: len(server.workers()) == 2 and all(
            str(pid) in load.bodies for pid in server.workers()))
        server.signal(signal.SIGKILL, random.choice(server.workers()))
        began = time.monotonic()
        server.wait_log(r"worker \d \(pid \d+\) ready", after=mark)
        assert time.monotonic() - began < 1
    load.stop()
    # A worker may hold connections whose requests have not arrived yet.
    assert len(load.bad) <= 20 * len(load.threads) and load.good > 100
    assert len(server.workers()) == 2


def test_a_crash_loop_backs_off(saola, tmp_path):
    write_app(tmp_path, "import os, threading, time\n"
              "def die():\n"
              "    time.sleep(0.4)\n"
              "    os._exit(5)\n"
              "threading.Thread(target=die).start()\n"
              "from hello import application\n")
    server = saola("app:application", chdir=tmp_path, ready=False,
                   pythonpath=server_apps())
    server.wait_log("next try in 2 s")
    assert len(server.grep("exited with code 5")) == 3
    server.forgive("family")


def test_the_template_is_replaced_too(saola):
    server = saola("each:application")
    old, = server.templates()
    server.signal(signal.SIGKILL, old)
    server.wait_log(r"template \(pid \d+\) killed by SIGKILL")
    server.wait_for(lambda: server.templates() not in ([], [old]))
    mark = server.mark()
    server.signal(signal.SIGKILL, server.workers()[0])
    server.wait_log(r"worker 0 \(pid \d+\) ready", after=mark)
    assert get(server, "/process/pid") == str(server.workers()[0])


def test_a_respawn_that_fails_to_boot_leaves_the_others(saola, tmp_path):
    """As while a package is upgraded."""
    write_app(tmp_path, "old")
    server = saola("app:application", chdir=tmp_path, workers=2)
    write_app(tmp_path, "import nosuchmodule\n")
    server.signal(signal.SIGKILL, server.workers()[0])
    server.wait_log("app app: next try in 1 s")
    assert get(server) == "old"
    write_app(tmp_path, "new")
    server.wait_log(r"worker \d \(pid \d+\) ready")
    assert len(server.workers()) == 2


@pytest.mark.skipif(not ROOT, reason="the limit is another user's")
def test_a_fork_that_fails_leaves_the_others(saola, worker_class,
                                             tmp_path_factory):
    """R22: no process for a second worker, until there is."""
    place = tmp_path_factory.mktemp("nproc")
    for part in [place, *place.parents][:3]:
        part.chmod(part.stat().st_mode | 0o755)
    write_app(place, "few")
    uid = 41000 + os.getpid() % 1000
    # Two workers with their threads and the template; this is one more.
    most = 1 + 2 * {"sync": 2, "threaded": 6}[worker_class]
    crowd = subprocess.Popen(["/bin/sleep", "100"], user=uid)
    server = saola("app:application", chdir=place, workers=2, user=uid,
                   group=uid, ready=False, preexec_fn=lambda:
                   resource.setrlimit(resource.RLIMIT_NPROC, (most, most)))
    server.wait_log("worker failed to boot: cannot ")
    server.wait_log("next try in 1 s")
    assert get(server) == "few"
    crowd.kill()
    crowd.wait()
    server.wait_log(r"ready \(2 workers\b")
    server.settle()


def test_strangers_are_reaped_silently(saola):
    server = saola("each:application")
    mark = server.mark()
    for _ in range(5):
        orphan = int(get(server, "/dying/orphan"))
        server.wait_for(lambda: procs.is_gone(orphan))
    assert server.log[mark:] == []


def test_a_child_of_the_application_dies_of_its_own_term(saola):
    """It must not be the worker that hears it."""
    server = saola("each:application")
    before = server.workers()
    assert get(server, "/dying/terminated_child") == str(int(signal.SIGTERM))
    assert get(server, "/process/pid") == str(before[0])
    assert server.workers() == before


@pytest.mark.skipif(not ROOT, reason="a PID namespace needs root")
def test_as_process_1(saola, tmp_path):
    """In a container: orphans are reaped, TERM stops."""
    wrapper = tmp_path / "saola-in-namespace"
    out = tmp_path / "code"
    write_app(tmp_path, "one")
    wrapper.write_text(
        "#!/bin/sh\n"
        f"unshare -p -f --kill-child {BINARY} -b unix:{tmp_path}/s "
        f"--pid {tmp_path}/pid --chdir {tmp_path} -w 1 app:application &\n"
        f"echo $! > {out}; wait $!; exit $?\n")
    probe = subprocess.run(["unshare", "-p", "-f", "true"],
                           capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no PID namespaces here")
    process = subprocess.Popen(["/bin/sh", wrapper], stderr=subprocess.PIPE,
                               text=True)
    for line in process.stderr:
        if "ready (1 worker)" in line:
            break
    unshare = int(out.read_text())
    master, = procs.children(unshare)
    assert (tmp_path / "pid").read_text() == "1\n"
    os.kill(master, signal.SIGTERM)
    assert process.wait(30) == 0
    process.stderr.close()
    assert not (tmp_path / "s").exists()


def test_the_master_killed_workers_finish_and_leave(saola, tmp_path):
    server = saola("each:application", workers=2)
    family = server.children()
    blocked = Blocked(server, tmp_path)
    server.signal(signal.SIGKILL)
    server.wait_log("the master is gone, finishing")
    assert blocked.let_go().status == 200
    server.wait_for(lambda: all(procs.is_gone(p) or procs.is_zombie(p)
                                for p in family))
    server.forgive("files")
    assert server.wait_exit() == -signal.SIGKILL


def test_what_a_hostile_worker_says_is_dropped(saola):
    """Forged messages, garbage, descriptors; nothing comes of it."""
    server = saola("forger:application", workers=2)
    family = server.children()
    mark = server.mark()
    for seed in range(10):
        assert int(get(server, f"/?{seed}")) in family
    assert server.children() == family
    assert server.log[mark:] == []


# Signals.

def test_ttin_ttou(saola):
    server = saola("hello:application", workers=1)
    server.signal(signal.SIGTTIN)
    server.wait_for(lambda: len(server.workers()) == 2)
    server.wait_log(r"worker 1 \(pid \d+\) ready")
    server.signal(signal.SIGTTOU)
    server.wait_for(lambda: len(server.workers()) == 1)
    mark = server.mark()
    server.signal(signal.SIGTTOU)
    server.wait_log("1 worker wanted", after=mark)
    assert procs.title(server.workers()[0]) == "saola: worker hello/0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_term_and_quit_finish_what_runs_and_what_waits(
        saola, tmp_path, protocol, number):
    """With a socket of ours: what is queued has nobody else."""
    path = tmp_path / "s"
    server = saola("each:application", bind=f"unix:{path}")
    blocked = Blocked(server, tmp_path, protocol)
    client = server.client(protocol)
    queued = [client.connect() for _ in range(10)]
    for conn in queued:
        conn.send(client.wire("GET", "/process/pid", {}, b""))
    server.signal(number)
    server.wait_for(lambda: not path.exists())
    assert blocked.let_go().status == 200
    for conn in queued:
        assert b"200 OK" in conn.rest()
        conn.close()
    assert server.wait_exit() == 0
    assert server.grep("stopping") and server.grep("stopped$")


def test_a_stop_ends_though_new_connections_keep_coming(saola, protocol):
    """On a socket that stays reachable, what comes later is not waited for."""
    server = saola("each:application", workers=2, bind="tcp")
    load = Load(server, protocol, threads=8, path="/process/pid")
    server.wait_for(lambda: load.good > 100)
    began = time.monotonic()
    assert server.stop() == 0
    load.stop()
    assert time.monotonic() - began < 3
    assert not server.grep("killed")


def test_graceful_timeout(saola, tmp_path):
    server = saola("each:application", graceful_timeout="0.3s")
    blocked = Blocked(server, tmp_path)
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert server.grep(r"worker 0: GET /process/gate\S+: over "
                       r"graceful_timeout, running for 0\.")
    assert blocked.let_go().status == 504


@pytest.mark.parametrize("numbers", [
    [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM],
    [signal.SIGQUIT, signal.SIGINT]])
def test_int_or_a_second_term_is_fast(saola, tmp_path, numbers):
    server = saola("each:application", workers=2)
    blocked = Blocked(server, tmp_path)
    began = time.monotonic()
    for number in numbers:
        mark = server.mark()
        server.signal(number)
        server.wait_log("stopping", after=mark)
    assert server.wait_exit() == 0
    assert time.monotonic() - began < 7
    blocked.let_go()


def test_a_stop_does_not_wait_for_a_boot(saola, tmp_path):
    write_app(tmp_path, "import time\ntime.sleep(100)\n")
    server = saola("app:application", chdir=tmp_path, ready=False)
    server.wait_for(lambda: server.workers())
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5


def test_usr1_opens_the_error_log_again(saola, tmp_path):
    log = tmp_path / "error.log"
    server = saola("hello:application", error_logfile=log, ready=False)
    server.wait_for(lambda: log.exists() and "ready (" in log.read_text())
    log.rename(tmp_path / "error.log.1")
    server.signal(signal.SIGUSR1)
    server.wait_for(lambda: log.exists() and "opened again"
                    in log.read_text())
    worker, = server.workers()
    server.wait_for(lambda: str(log) in procs.descriptors(worker).values())
    mark = len(log.read_text())
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: "ready (" in log.read_text()[mark:])
    assert "reloading" not in (tmp_path / "error.log.1").read_text()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2,
                                    signal.SIGUSR1])
def test_signals_that_workers_survive(saola, number):
    server = saola("each:application")
    worker, = server.workers()
    server.signal(number, worker)
    server.signal(number, server.templates()[0])
    assert get(server, "/process/pid") == str(worker)
    assert server.workers() == [worker]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT,
                                    signal.SIGQUIT])
def test_a_worker_told_to_leave_is_replaced(saola, number):
    server = saola("each:application")
    old, = server.workers()
    mark = server.mark()
    server.signal(number, old)
    server.wait_log(r"worker 0 \(pid \d+\) ready", after=mark)
    assert get(server, "/process/pid") != str(old)


def test_a_storm_of_signals(saola, protocol):
    """R23 in short: nothing is lost, and the end is what was asked for."""
    server = saola("each:application", workers=2)
    load = Load(server, protocol, threads=2, path="/process/pid")
    for n in range(250):
        server.signal([signal.SIGTTIN, signal.SIGUSR1, signal.SIGHUP,
                       signal.SIGTTOU][n % 4])
        time.sleep(0.004)
    mark = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_log(r"ready \(2 workers\b", after=mark)
    server.wait_for(lambda: len(server.workers()) == 2
                    and len(server.templates()) == 1)
    load.stop()
    assert load.bad == [] and load.good > 50


# Reload.

@pytest.mark.parametrize("preload", [False, True])
def test_hup_serves_new_code(saola, tmp_path, preload):
    write_app(tmp_path, "old")
    server = saola("app:application", chdir=tmp_path, workers=2,
                   preload=preload)
    old = server.children()
    write_app(tmp_path, "new one")
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: len(server.grep(r"ready \(2 workers\b")) == 2)
    server.wait_for(lambda: not set(old) & set(server.children()))
    assert get(server) == "new one"
    assert len(server.children()) == 3


@pytest.mark.parametrize("preload", [False, True])
def test_broken_code_keeps_the_old(saola, tmp_path, preload):
    write_app(tmp_path, "old")
    server = saola("app:application", chdir=tmp_path, workers=2,
                   preload=preload)
    old = server.children()
    write_app(tmp_path, "import nosuchmodule\n")
    server.signal(signal.SIGHUP)
    line = server.wait_log("app app: reload failed: ")
    assert "No module named 'nosuchmodule'; generation 1 serves on" in line
    server.wait_for(lambda: server.children() == old)
    assert get(server) == "old"
    write_app(tmp_path, "mended")
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: len(server.grep(r"ready \(2 workers\b")) == 2)
    server.wait_for(lambda: not set(old) & set(server.children()))
    assert get(server) == "mended"


def test_one_that_never_booted_is_tried_at_once(saola, tmp_path):
    write_app(tmp_path, "import nosuchmodule\n", "bad.py")
    write_app(tmp_path, "good", "good.py")
    config = f"""
[defaults]
chdir = {tmp_path}
workers = 1
[app bad]
application = bad
bind = unix:{tmp_path}/bad
[app good]
application = good
bind = unix:{tmp_path}/good
"""
    server = saola(config=config, ready=False)
    server.wait_log("app good: ready")
    server.wait_log("app bad: next try in 4 s")
    write_app(tmp_path, "mended", "bad.py")
    began = time.monotonic()
    server.signal(signal.SIGHUP)
    server.wait_log("app bad: ready")
    assert time.monotonic() - began < 3
    server.wait_for(lambda: len(server.children()) == 4)
    server.settle()


CONFIG = """
[app {name}]
application = hello:application
chdir = {apps}
bind = {bind}
workers = {workers}
"""


def config(path, name="shop", workers=1, bind=None):
    return CONFIG.format(name=name, apps=server_apps(), workers=workers,
                         bind=bind or f"unix:{path}/{name}")


def test_hup_reads_the_file_again(saola, tmp_path):
    server = saola(config=config(tmp_path))
    file = server.dir / "saola.conf"
    inode = os.stat(f"{tmp_path}/shop").st_ino
    two = f"unix:{tmp_path}/shop\nbind = unix:{tmp_path}/two"
    file.write_text(config(tmp_path, workers=3, bind=two)
                    + config(tmp_path, "blog"))
    server.signal(signal.SIGHUP)
    server.wait_log(r"app shop: ready \(3 workers\b")
    server.wait_log("app blog: ready")
    assert os.stat(f"{tmp_path}/shop").st_ino == inode
    for name in "shop", "two", "blog":
        server.address = f"{tmp_path}/{name}"
        assert get(server) == "hello\n"
    mark = server.mark()
    file.write_text(config(tmp_path, bind=f"unix:{tmp_path}/two"))
    server.signal(signal.SIGHUP)
    server.wait_log("app blog: gone from the configuration", after=mark)
    server.wait_for(lambda: sorted(p.name for p in tmp_path.glob("*")
                                   if p.is_socket()) == ["two"])
    server.wait_for(lambda: len(server.children()) == 2)
    server.address = f"{tmp_path}/two"
    assert get(server) == "hello\n"
    server.settle()


@pytest.mark.parametrize("text, said", [
    ("[app shop]\nbogus = 1\n", r"saola\.conf:2: unknown key bogus"),
    (CONFIG.format(name="shop", apps=server_apps(), workers=1,
                   bind="unix:/nowhere/s"), "directory does not exist"),
    ("[app shop]\napplication = hello\nuser = no-such-user\n"
     "bind = unix:s\n", "there is no user no-such-user"),
])
def test_a_broken_configuration_changes_nothing(saola, tmp_path, text, said):
    server = saola(config=config(tmp_path))
    children = server.children()
    fds = procs.descriptors(server.pid)
    (server.dir / "saola.conf").write_text(text)
    server.signal(signal.SIGHUP)
    assert re.search(said, server.wait_log("reload failed: "))
    server.address = f"{tmp_path}/shop"
    assert get(server) == "hello\n"
    assert server.children() == children
    assert procs.descriptors(server.pid) == fds


def test_what_needs_a_restart_is_said(saola, tmp_path):
    server = saola(config=config(tmp_path))
    text = (server.dir / "saola.conf").read_text()
    (server.dir / "saola.conf").write_text(
        f"[saola]\npid = {tmp_path}/pid\n" + text)
    server.signal(signal.SIGHUP)
    server.wait_log("setting pid changes only with a restart")
    server.wait_for(lambda: len(server.grep("app shop: ready")) == 2)
    assert not (tmp_path / "pid").exists()


def test_nothing_is_lost_by_reloads_under_load(saola, protocol):
    """R10 in short."""
    server = saola("each:application", workers=2)
    load = Load(server, protocol, path="/process/pid")
    for n in range(3):
        server.signal(signal.SIGHUP)
        server.wait_for(lambda: len(server.grep(r"ready \(2 workers\b"))
                        == n + 2)
    server.wait_for(lambda: len(server.workers()) == 2)
    load.stop()
    assert load.bad == [] and load.good > 50


def test_reloads_leave_no_descriptor(saola):
    server = saola("identity:application", workers=1)
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: len(server.grep(r"ready \(1 worker\b")) == 2)
    server.wait_for(lambda: len(server.children()) == 2)
    server.wait_for(lambda: len(procs.descriptors(server.pid))
                    == len(server.fds_before))
    master, worker = procs.descriptors(server.pid), facts(server)["fds"]
    for n in range(10):
        server.signal(signal.SIGHUP)
        server.wait_for(lambda: len(server.grep(r"ready \(1 worker\b"))
                        == n + 3)
    server.wait_for(lambda: len(server.children()) == 2)
    # A generation is freed a moment after its last process is gone.
    server.wait_for(lambda: len(procs.descriptors(server.pid)) == len(master))
    assert len(facts(server)["fds"]) == len(worker)


# In the background.

def test_daemon_returns_when_it_serves(tmp_path):
    write_app(tmp_path, "behind")
    pid_file, log = tmp_path / "pid", tmp_path / "log"
    done = run("-D", "-p", pid_file, "--error-logfile", log, "-w", 2,
               "--chdir", tmp_path, "-b", f"unix:{tmp_path}/s",
               "app:application")
    assert done.returncode == 0, done.stderr
    pid = int(pid_file.read_text())
    try:
        assert procs.title(pid) == "saola: master"
        assert os.getsid(pid) == pid
        family = [pid, *procs.children(pid)]
        assert len(family) >= 3
        from peer import PROTOCOLS
        for name in PROTOCOLS:
            assert PROTOCOLS[name](f"{tmp_path}/s").request().status == 200
    finally:
        fd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)      # the suite is a subreaper
    os.close(fd)
    assert not pid_file.exists() and not (tmp_path / "s").exists()
    assert "stopped" in log.read_text()


def test_daemon_lets_the_terminal_go(tmp_path):
    """run() returns only when nobody has the pipes of its output."""
    write_app(tmp_path, "behind")
    done = run("-D", "-p", tmp_path / "pid", "--chdir", tmp_path, "-w", 3,
               "-b", f"unix:{tmp_path}/s", "app:application")
    assert done.returncode == 0 and "listening on" in done.stderr
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)


def test_daemon_gives_the_code_of_a_failed_boot(tmp_path):
    write_app(tmp_path, "import nosuchmodule\n")
    done = run("-D", "-p", tmp_path / "pid", "--chdir", tmp_path,
               "-b", f"unix:{tmp_path}/s", "app:application")
    assert done.returncode == 3
    assert "No module named 'nosuchmodule'" in done.stderr
    assert not (tmp_path / "pid").exists()
    assert not (tmp_path / "s").exists()
    reap_all()


def reap_all():
    """Daemons that ended are ours to reap."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def test_pid_file(saola, tmp_path):
    file = tmp_path / "pid"
    file.write_text("2147483646\n")         # stale
    server = saola("hello:application", pid=file)
    assert file.read_text() == f"{server.pid}\n"
    done = run("-p", file, "-b", f"unix:{tmp_path}/other", "hello:application")
    assert done.returncode == 1
    assert f"process {server.pid} is alive" in done.stderr
    assert file.read_text() == f"{server.pid}\n"
    assert server.stop() == 0
    assert not file.exists()


# The supervisor.

class Supervisor:
    """Where sd_notify goes."""

    def __init__(self, place):
        import socket
        self.path = str(place / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(20)

    def wait(self, start):
        """The first message with a line that starts so."""
        while True:
            text = self.sock.recv(4096).decode()
            for line in text.splitlines():
                if line.startswith(start):
                    return text


def test_sd_notify(saola, tmp_path):
    supervisor = Supervisor(tmp_path)
    server = saola("hello:application", env={
        "NOTIFY_SOCKET": supervisor.path}, workers=2)
    supervisor.wait("READY=1")
    server.signal(signal.SIGHUP)
    told = supervisor.wait("RELOADING=1")
    assert int(re.search(r"MONOTONIC_USEC=(\d+)", told)[1]) > 0
    supervisor.wait("READY=1")
    server.signal(signal.SIGTERM)
    supervisor.wait("STOPPING=1")
    assert server.wait_exit() == 0


def test_sd_notify_is_not_ready_before_every_application(saola, tmp_path):
    supervisor = Supervisor(tmp_path)
    write_app(tmp_path, "import nosuchmodule\n", "bad.py")
    write_app(tmp_path, "good", "good.py")
    server = saola(config=f"""
[defaults]
chdir = {tmp_path}
workers = 1
[app bad]
application = bad
bind = unix:{tmp_path}/bad
[app good]
application = good
bind = unix:{tmp_path}/good
""", ready=False, env={"NOTIFY_SOCKET": supervisor.path})
    server.wait_log("app good: ready")
    server.wait_log("app bad: next try")
    assert int(supervisor.wait("EXTEND_TIMEOUT_USEC=")[20:]) >= 61_000_000
    told = supervisor.wait("STATUS=workers ready: bad 0/1 good 1/1")
    assert "READY" not in told
    write_app(tmp_path, "mended", "bad.py")
    supervisor.wait("READY=1")
    server.settle()


def test_start_error_is_told(saola):
    with pytest.raises(StartError):
        saola("hello:nosuch")

# SPDX-License-Identifier: MIT
"""Another binary in the running one's place: USR2 and saolactl upgrade."""

import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import procs
from server import BINARY, CTL
from test_process import Blocked, Load, config, get, run, write_app
from test_sockets import free_port

@pytest.fixture
def room(tmp_path_factory):
    """A directory whose name leaves room for a socket's."""
    return tmp_path_factory.mktemp("u")


@pytest.fixture
def upgradable(saola, room):
    """Start a server that has a control socket and a pid file here."""
    def start(app="each:application", **options):
        return saola(app, control=room / "c", pid=room / "pid", **options)
    return start


@pytest.fixture
def program(room):
    """A copy of the program, which may be replaced."""
    shutil.copy(BINARY, room / "saola")
    return room / "saola"


def replace(path, text=None):
    """As a package manager does."""
    fresh = path.with_name("fresh")
    if text is None:
        shutil.copy(BINARY, fresh)
    else:
        fresh.write_text(text)
        fresh.chmod(0o755)
    fresh.rename(path)


def new_master(server, mark):
    line = server.wait_log(r"took over as the only master", after=mark)
    return int(re.search(r"\[(\d+)\]", line)[1])


def upgrade(server):
    """By the signal; the new master is the server then."""
    mark = server.mark()
    server.signal(signal.SIGUSR2)
    pid = new_master(server, mark)
    assert server.follow(pid) == 0
    return pid


class Gate:
    """An application whose import waits, from the second time on."""

    def __init__(self, place):
        self.fifo = place / "gate"
        os.mkfifo(self.fifo)
        self.place = place
        write_app(place, "open")

    def shut(self):
        (self.place / "app.py").write_text(
            f"open({str(self.fifo)!r}).read()\n"
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            "    return [b'new']\n")

    def wait(self):
        """Somebody is at the gate."""
        self.end = open(self.fifo, "w", encoding="ascii")

    def open(self):
        self.end.close()


# Success.

@pytest.mark.parametrize("preload", [False, True])
def test_usr2(upgradable, protocol, preload):
    server = upgradable(workers=2, preload=preload)
    old, family = server.pid, server.children()
    pid = upgrade(server)
    assert pid != old and procs.title(pid) == "saola: master"
    assert len(server.children()) == 3
    assert not set(family) & set(server.children())
    assert int(get(server, "/process/pid", protocol)) in server.workers()
    assert upgrade(server) != pid


def test_saolactl_upgrade_gives_the_new_pid(upgradable, room):
    server = upgradable()
    done = server.ctl("upgrade")
    assert done.returncode == 0, done.stderr
    pid = int(re.fullmatch(r"master (\d+)\n", done.stdout)[1])
    assert server.follow(pid) == 0
    server.wait_log(r"control socket unix:\S+/c$")
    assert f"master {pid}" in server.ctl("status").stdout
    assert server.stop() == 0
    assert list(room.glob("*")) == []


def test_the_program_of_now_is_run(upgradable, program):
    server = upgradable("hello:application", binary=program)
    before = os.stat(f"/proc/{server.pid}/exe").st_ino
    replace(program)
    pid = upgrade(server)
    assert os.stat(f"/proc/{pid}/exe").st_ino == program.stat().st_ino
    assert program.stat().st_ino != before
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert f.read().startswith(b"saola: master")
    assert get(server) == "hello\n"
    program.unlink()


def test_a_program_found_in_path(upgradable, program):
    """And a link that is pointed elsewhere."""
    link = program.with_name("saola-link")
    link.symlink_to(program)
    server = upgradable("hello:application", binary="saola-link",
                        env={"PATH": f"/bin:{program.parent}"})
    other = program.with_name("saola-other")
    shutil.copy(BINARY, other)
    link.unlink()
    link.symlink_to(other)
    pid = upgrade(server)
    assert os.stat(f"/proc/{pid}/exe").st_ino == other.stat().st_ino


def test_the_pid_file(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room)
    gate.shut()
    mark = server.mark()
    server.signal(signal.SIGUSR2)
    gate.wait()
    second = int((room / "pid.2").read_text())
    assert int((room / "pid").read_text()) == server.pid != second
    assert get(server) == "open"
    gate.open()
    assert new_master(server, mark) == second
    assert server.follow(second) == 0
    assert int((room / "pid").read_text()) == second
    assert not (room / "pid.2").exists()
    assert get(server) == "new"
    assert server.stop() == 0
    assert not (room / "pid").exists()


@pytest.mark.parametrize("kind", ["path", "abstract", "tcp", "passed"])
def test_sockets_of_every_kind(upgradable, room, kind):
    bind = {"path": f"unix:{room}/s", "abstract": "unix:@saola-upgrade",
            "tcp": f"127.0.0.1:{free_port()}", "passed": None}[kind]
    server = upgradable(bind=bind)
    inode = (room / "s").stat().st_ino if kind == "path" else None
    for _ in range(2):
        upgrade(server)
        assert get(server, "/process/pid").isdigit()
    if kind == "path":
        assert (room / "s").stat().st_ino == inode
    assert server.stop() == 0
    assert not (room / "s").exists()


def test_what_runs_is_finished_by_the_old(upgradable, room):
    server = upgradable(workers=1)
    blocked = Blocked(server, room)
    mark, old = server.mark(), server.pid
    server.signal(signal.SIGUSR2)
    pid = new_master(server, mark)
    assert int(get(server, "/process/pid")) in procs.children(pid)
    assert not procs.is_zombie(old)
    assert blocked.let_go().status == 200
    assert server.follow(pid) == 0


def test_the_settings_of_now_are_read(saola, room):
    head = f"[saola]\ncontrol = {room}/c\n"
    server = saola(config=head + config(room))
    (server.dir / "saola.conf").write_text(
        head + config(room, workers=2) + config(room, "blog"))
    pid = int(server.ctl("upgrade").stdout.split()[1])
    assert server.follow(pid) == 0
    for name in "shop", "blog":
        server.address = f"{room}/{name}"
        assert get(server) == "hello\n"
    assert len(server.children()) == 5


def test_a_hup_meanwhile_is_not_forgotten(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room)
    gate.shut()
    mark = server.mark()
    server.signal(signal.SIGUSR2)
    gate.wait()
    server.signal(signal.SIGHUP)
    write_app(room, "newest")
    gate.open()
    pid = new_master(server, mark)
    server.wait_for(lambda: len(server.grep(
        rf"\[{pid}\] app app: ready")) == 2)
    server.wait_for(lambda: len(procs.children(pid)) == 2)
    assert server.follow(pid) == 0
    assert get(server) == "newest"


def test_daemon(room):
    write_app(room, "behind")
    done = run("-D", "-p", room / "pid", "--error-logfile", room / "log",
               "-w", 1, "--chdir", room, "-b", f"unix:{room}/s",
               "--control", room / "c", "app:application")
    assert done.returncode == 0, done.stderr
    old = procs.Adopted(int((room / "pid").read_text()))
    done = subprocess.run([CTL, "-s", room / "c", "upgrade"], timeout=30,
                          capture_output=True, text=True)
    new = procs.Adopted(int(done.stdout.split()[1]))
    try:
        assert old.wait(20) == 0
        assert int((room / "pid").read_text()) == new.pid != old.pid
    finally:
        os.kill(new.pid, signal.SIGTERM)
    assert new.wait(20) == 0
    assert not (room / "pid").exists() and not (room / "s").exists()


def test_upgrades_leave_no_descriptor(upgradable):
    server = upgradable("identity:application", workers=1)
    upgrade(server)
    before = procs.descriptors(server.pid)
    for _ in range(3):
        upgrade(server)
    assert len(procs.descriptors(server.pid)) == len(before)
    assert get(server, "/?inherited") == "[]"


# Failure.

@pytest.mark.parametrize("text, said", [
    ("garbage", r"cannot execute \S+/saola: Exec format error"),
    ("#!/nowhere\n", r"cannot execute \S+/saola: No such file"),
    ("#!/bin/sh\nexit 7\n", "the new master ended before it served"),
    ("#!/bin/sh\nkill -9 $$\n", "the new master ended before it served"),
])
def test_a_broken_program_changes_nothing(upgradable, program, text, said):
    server = upgradable("hello:application", binary=program)
    family = server.children()
    replace(program, text)
    done = server.ctl("upgrade")
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert server.grep(rf"upgrade failed: .*; process {server.pid} serves on")
    assert get(server) == "hello\n"
    server.wait_for(lambda: procs.children(server.pid) == family)
    replace(program)
    upgrade(server)
    assert get(server) == "hello\n"
    program.unlink()


def test_a_program_that_is_gone(upgradable, program):
    server = upgradable("hello:application", binary=program)
    program.unlink()
    done = server.ctl("upgrade")
    assert done.returncode == 1 and "No such file" in done.stderr
    assert get(server) == "hello\n"


@pytest.mark.parametrize("preload", [False, True])
def test_a_broken_application_changes_nothing(upgradable, room, preload):
    write_app(room, "old")
    server = upgradable("app:application", chdir=room, workers=2,
                        preload=preload, bind=f"unix:{room}/s")
    write_app(room, "import nosuchmodule\n")
    load = Load(server, "fastcgi", threads=2)
    done = server.ctl("upgrade")
    assert done.returncode == 1
    assert re.fullmatch(r"saolactl: upgrade: app app: \w+ failed to boot: "
                        r".*No module named 'nosuchmodule'\n", done.stderr)
    server.wait_for(lambda: len(procs.children(server.pid)) == 3)
    load.stop()
    assert load.bad == [] and load.good > 20 and load.bodies == {"old"}
    assert int((room / "pid").read_text()) == server.pid
    assert not (room / "pid.2").exists()
    write_app(room, "mended")
    upgrade(server)
    assert get(server) == "mended"
    assert server.stop() == 0
    assert not (room / "s").exists()


def test_one_of_several_applications_that_fails(saola, room):
    """The others of the new master have served meanwhile."""
    head = f"[saola]\ncontrol = {room}/c\n"
    server = saola(config=head + config(room))
    (server.dir / "saola.conf").write_text(
        head + config(room) + f"[app bad]\napplication = nosuchmodule\n"
        f"bind = unix:{room}/bad\nworkers = 1\n")
    server.address = f"{room}/shop"
    load = Load(server, "fastcgi", threads=2)
    done = server.ctl("upgrade")
    assert done.returncode == 1 and "app bad" in done.stderr
    server.wait_for(lambda: len(procs.children(server.pid)) == 2)
    load.stop()
    assert load.bad == [] and load.good > 20
    assert not (room / "bad").exists()


def test_a_broken_file_changes_nothing(saola, room):
    head = f"[saola]\ncontrol = {room}/c\n"
    server = saola(config=head + config(room))
    (server.dir / "saola.conf").write_text(head + "bogus = 1\n")
    done = server.ctl("upgrade")
    assert done.returncode == 1
    server.address = f"{room}/shop"
    assert get(server) == "hello\n"
    assert re.search(r"saola\.conf:3: unknown key bogus", done.stderr)


def test_the_new_one_killed_while_it_boots(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room)
    gate.shut()
    server.signal(signal.SIGUSR2)
    gate.wait()
    new = int((room / "pid.2").read_text())
    server.signal(signal.SIGKILL, new)
    server.wait_log("upgrade failed: the new master ended before it served")
    gate.open()
    assert get(server) == "open"
    write_app(room, "again")
    server.wait_for(lambda: len(procs.children(server.pid)) == 2)
    upgrade(server)
    assert get(server) == "again"


def test_one_that_does_not_become_ready(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room,
                        startup_timeout="0.5s")
    gate.shut()
    done = server.ctl("upgrade")
    assert done.returncode == 1
    assert "not ready after 0.5 s (startup_timeout)" in done.stderr
    assert get(server) == "open"
    server.wait_for(lambda: len(procs.children(server.pid)) == 2)


def test_the_old_one_killed_while_the_new_boots(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room,
                        bind=f"unix:{room}/s")
    gate.shut()
    mark = server.mark()
    server.signal(signal.SIGUSR2)
    gate.wait()
    new = int((room / "pid.2").read_text())
    server.signal(signal.SIGKILL)
    server.wait_log("the old master is gone before this one serves")
    gate.open()
    assert new_master(server, mark) == new
    assert server.follow(new) == -signal.SIGKILL
    assert get(server) == "new"
    assert int((room / "pid").read_text()) == new
    assert server.stop() == 0
    assert not (room / "s").exists() and not (room / "pid").exists()


def test_term_meanwhile_stops_both(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room,
                        bind=f"unix:{room}/s")
    gate.shut()
    server.signal(signal.SIGUSR2)
    gate.wait()
    new = int((room / "pid.2").read_text())
    assert server.stop() == 0
    gate.open()
    server.wait_for(lambda: procs.is_gone(new) or procs.is_zombie(new))
    assert not (room / "s").exists() and not (room / "c").exists()
    assert not (room / "pid").exists() and not (room / "pid.2").exists()


def test_a_second_usr2_is_the_same_one(upgradable, room):
    gate = Gate(room)
    server = upgradable("app:application", chdir=room)
    gate.shut()
    mark = server.mark()
    for _ in range(3):
        server.signal(signal.SIGUSR2)
    gate.wait()
    asked = subprocess.Popen([CTL, "-s", server.control, "upgrade"],
                             stdout=subprocess.PIPE, text=True)
    server.signal(signal.SIGUSR2, int((room / "pid.2").read_text()))
    server.wait_log("this process is itself the new one")
    assert "upgrading for" in server.ctl("status").stdout
    gate.open()
    pid = new_master(server, mark)
    assert server.follow(pid) == 0
    assert asked.communicate(timeout=20)[0] in (f"master {pid}\n", "")
    assert len(server.grep("upgrade: starting")) == 1


# Nothing is lost.

class WebLoad:
    """GET and POST by turns through nginx, until stopped."""

    def __init__(self, client, threads=3, path="/echo/application"):
        self.client = client
        self.path = path
        self.bad, self.good = [], 0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.loop, args=(n,))
                        for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def loop(self, n):
        while not self.over.is_set():
            n += 1
            body = b"x" * (n * 997 % 30000) if n % 2 else None
            try:
                answer = self.client.request(
                    "POST" if n % 2 else "GET", self.path, body)
                bad = None if (answer.status, answer.body) == (
                    200, body or b"") else answer.body[:200]
            except Exception as error:
                bad = error
            with self.lock:
                self.good += bad is None
                if bad is not None:
                    self.bad.append((n, bad))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self


KINDS = {
    "sync": ("each:application", "/echo/application", {}),
    "threaded": ("each:application", "/echo/application",
                 {"worker_class": "threaded", "threads": 4}),
    "async": ("asgiapp:application", "/echo", {"worker_class": "async"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_under_load(upgradable, nginx, route, kind):
    """R10, R11: GET and POST, by connections that are kept and that are not."""
    app, path, options = KINDS[kind]
    server = upgradable(app, workers=2, **options)
    load = WebLoad(nginx(server).client(route), path=path)
    for act in upgrade, lambda s: s.ctl("reload"), upgrade:
        before = load.good
        server.wait_for(lambda: load.good > before + 20)
        act(server)
    before = load.good
    server.wait_for(lambda: load.good > before + 20)
    load.stop()
    assert load.bad == [] and load.good > 80
    server.wait_for(lambda: len(server.workers()) == 2)


def test_nothing_is_lost_by_a_failed_one_under_load(
        upgradable, program, nginx, route):
    server = upgradable(workers=2, binary=program)
    load = WebLoad(nginx(server).client(route))
    server.wait_for(lambda: load.good > 20)
    replace(program, "#!/bin/sh\nexit 1\n")
    assert server.ctl("upgrade").returncode == 1
    before = load.good
    server.wait_for(lambda: load.good > before + 20)
    load.stop()
    assert load.bad == []
    program.unlink()


def test_reloads_and_upgrades_by_turns(upgradable, protocol):
    server = upgradable(workers=2)
    load = Load(server, protocol, threads=2, path="/process/pid")
    for _ in range(2):
        assert server.ctl("reload").returncode == 0
        upgrade(server)
    load.stop()
    assert load.bad == [] and load.good > 50

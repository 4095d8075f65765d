# SPDX-License-Identifier: MIT
"""systemd: its protocols against a stand-in, activation, and the units."""

import array
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import procs
from peer import PROTOCOLS
from server import APPS, BINARY, TOP, Pipe, listen
from test_process import ROOT, Blocked, config, facts, get, write_app

ACTIVATE = shutil.which("systemd-socket-activate")
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def room(tmp_path_factory):
    """A directory whose name leaves room for a socket's."""
    return tmp_path_factory.mktemp("s")


class Systemd:
    """Where sd_notify goes: what was said, by whom, and the store."""

    def __init__(self, place):
        self.path = str(place / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.bind(self.path)
        self.said = []              # (pid, {name: value}, text)
        self.store = {}             # name to descriptor
        self.lock = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            data, control, _, _ = self.sock.recvmsg(4096, 4096)
            fds, pid = array.array("i"), 0
            for level, kind, value in control:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(value[:len(value) // 4 * 4])
                elif kind == socket.SCM_CREDENTIALS:
                    pid = struct.unpack("3i", value)[0]
            text = data.decode()
            pairs = dict(line.split("=", 1) for line in text.splitlines())
            with self.lock:
                self.obey(pairs, list(fds))
                self.said.append((pid, pairs, text))
                self.lock.notify_all()

    def obey(self, pairs, fds):
        if "FDSTORE" in pairs:
            same = [n for n in self.store if n == pairs["FDNAME"]]
            for name in same:       # systemd finds out by kcmp(2)
                os.close(self.store[name])
            self.store[pairs["FDNAME"]], = fds
        if "FDSTOREREMOVE" in pairs:
            fd = self.store.pop(pairs["FDNAME"], None)
            if fd is not None:
                os.close(fd)

    def wait(self, name, value=None, after=0, timeout=20):
        """The first message with this assignment; value is a pattern."""
        def found():
            return next((m for m in self.said[after:] if name in m[1] and (
                value is None or re.search(value, m[1][name]))), None)
        with self.lock:
            assert self.lock.wait_for(found, timeout), (
                f"never heard {name}={value}: {self.said}")
            return found()

    def mark(self):
        return len(self.said)

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.path, **more}

    def forget(self):
        for fd in self.store.values():
            os.close(fd)
        self.store.clear()


@pytest.fixture
def systemd(room):
    it = Systemd(room)
    yield it
    it.forget()


# Notification.

def test_a_reload_is_told_from_begin_to_end(saola, systemd):
    server = saola("hello:application", env=systemd.env())
    systemd.wait("READY", "1")
    mark = systemd.mark()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    server.signal(signal.SIGHUP)
    told = systemd.wait("RELOADING", "1", mark)[1]
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(told["MONOTONIC_USEC"]) <= after
    pid = systemd.wait("READY", "1", mark)[0]
    assert pid == server.pid
    order = [n for _, pairs, _ in systemd.said[mark:] for n in pairs
             if n in ("RELOADING", "READY")]
    assert order == ["RELOADING", "READY"]
    server.wait_for(lambda: len(server.children()) == 2)


def test_a_failed_reload_is_told(saola, systemd, room):
    write_app(room, "old")
    server = saola("app:application", chdir=room, env=systemd.env())
    systemd.wait("READY", "1")
    write_app(room, "raise OSError('a\\nMAINPID=1\\nSTOPPING=1')\n")
    mark = systemd.mark()
    server.signal(signal.SIGHUP)
    status = systemd.wait("STATUS", "reload failed: app app: .*OSError", mark)
    systemd.wait("READY", "1", mark)
    assert set(status[1]) == {"STATUS"}
    for _, pairs, _ in systemd.said:
        assert "MAINPID" not in pairs and "STOPPING" not in pairs
    assert get(server) == "old"
    (room / "app.py").unlink()


def test_a_stop_is_told(saola, systemd, room):
    server = saola("each:application", env=systemd.env(),
                   graceful_timeout="20s")
    blocked = Blocked(server, room)
    server.signal(signal.SIGTERM)
    told = systemd.wait("STOPPING", "1")[1]
    assert 20e6 <= int(told["EXTEND_TIMEOUT_USEC"]) <= 40e6
    blocked.let_go()
    assert server.wait_exit() == 0


def test_status_counts(saola, systemd):
    server = saola("hello:application", env=systemd.env(), workers=2)
    systemd.wait("STATUS", r"^workers ready: hello 2/2$")
    server.signal(signal.SIGTTIN)
    systemd.wait("STATUS", r"^workers ready: hello 3/3$")
    server.settle()


# The watchdog.

def test_the_watchdog_is_fed_while_a_worker_lives(saola, systemd):
    server = saola("hello:application", workers=2, env=systemd.env(
        WATCHDOG_USEC="300000"))
    server.forgive("family")
    for _ in range(3):
        assert systemd.wait("WATCHDOG", "1", systemd.mark())[0] == server.pid
    one, two = server.workers()
    server.signal(signal.SIGSTOP, one)
    systemd.wait("WATCHDOG", "1", systemd.mark())
    server.signal(signal.SIGSTOP, two)
    server.wait_log("app hello: no worker is alive, systemd is not told")
    mark = systemd.mark()
    time.sleep(0.5)         # nothing happens, so there is nothing to wait for
    assert systemd.mark() == mark
    server.signal(signal.SIGCONT, two)
    systemd.wait("WATCHDOG", "1", mark)
    server.signal(signal.SIGCONT, one)
    assert len(server.grep("no worker is alive")) == 1


def test_the_watchdog_is_fed_by_a_master_that_turns(saola, systemd):
    server = saola("hello:application", env=systemd.env(
        WATCHDOG_USEC="300000"))
    systemd.wait("WATCHDOG", "1")
    server.signal(signal.SIGSTOP)
    server.wait_for(lambda: procs.stat(server.pid)[0] == "T")
    mark = systemd.mark()
    time.sleep(0.5)
    assert systemd.mark() == mark
    server.signal(signal.SIGCONT)
    systemd.wait("WATCHDOG", "1", mark)


@pytest.mark.parametrize("env", [
    {}, {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"},
    {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"},
])
def test_nobody_asked_for_a_watchdog(saola, systemd, env):
    saola("hello:application", env=systemd.env(**env))
    systemd.wait("READY", "1")
    time.sleep(0.3)
    assert not [m for m in systemd.said if "WATCHDOG" in m[1]]


def test_the_watchdog_is_not_the_applications(saola, systemd):
    server = saola("identity:application", env=systemd.env(
        WATCHDOG_USEC="3000000"))
    assert "WATCHDOG_USEC" not in facts(server)["env"]


# The store.

@pytest.fixture
def activated(tmp_path, saola):
    """A server that gets sockets as from systemd: by exec of a shell, which
    alone can name its own pid."""
    def start(fds, names, app="hello:application", env=None, **options):
        wrapper = tmp_path / f"wrapper{time.monotonic_ns()}"
        lines = "".join(f"exec {3 + n}<&{fd} {fd}<&-\n"
                        for n, fd in enumerate(fds))
        wrapper.write_text(f"#!/bin/bash\n{lines}"
                           f"export LISTEN_PID=$$ LISTEN_FDS={len(fds)}\n"
                           f"export LISTEN_FDNAMES={':'.join(names)}\n"
                           f'exec {BINARY} "$@"\n')
        wrapper.chmod(0o755)
        return saola(app, binary=wrapper, env=env, pass_fds=fds, **options)
    return start


def wait_family_gone(server, family):
    server.wait_for(lambda: all(procs.is_gone(p) or procs.is_zombie(p)
                                for p in family))


@pytest.mark.parametrize("kind", ["path", "tcp", "abstract"])
def test_a_crashed_master_refuses_nobody(
        saola, activated, systemd, room, kind, protocol):
    """R13: what waits in the queue is served by the next master."""
    bind = {"path": f"unix:{room}/s", "tcp": "127.0.0.1:0",
            "abstract": f"unix:@saola-store-{os.getpid()}"}[kind]
    if kind == "tcp":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            bind = "127.0.0.1:%d" % probe.getsockname()[1]
    server = saola("hello:application", bind=bind, env=systemd.env())
    systemd.wait("READY", "1")
    assert len(systemd.store) == 1
    family = server.children()
    server.forgive("files")
    server.signal(signal.SIGKILL)
    server.wait_exit()
    wait_family_gone(server, family)
    client = server.client(protocol)
    waiting = [client.connect() for _ in range(5)]
    for conn in waiting:
        conn.send(client.wire("GET", "/", {}, b""))
    name, = systemd.store
    again = activated([systemd.store[name]], [name], bind=bind,
                      env=systemd.env())
    for conn in waiting:
        assert b"hello" in conn.rest()
        conn.close()
    assert get(again, protocol=protocol) == "hello\n"
    assert again.stop() == 0
    assert systemd.store == {}
    assert not (room / "s").exists()


def test_a_second_crash_too(saola, activated, systemd, room):
    bind = f"unix:{room}/s"
    server = saola("hello:application", bind=bind, env=systemd.env())
    inode = (room / "s").stat().st_ino
    for _ in range(2):
        systemd.wait("READY", "1")
        server.forgive("files")
        family = server.children()
        server.signal(signal.SIGKILL)
        server.wait_exit()
        wait_family_gone(server, family)
        names = list(systemd.store)
        server = activated([systemd.store[n] for n in names], names,
                           bind=bind, env=systemd.env())
        assert get(server) == "hello\n"
        assert (room / "s").stat().st_ino == inode
        assert len(systemd.store) == 1
    pid = int(server.ctl("upgrade").stdout.split()[1])
    server.wait_log("took over as the only master")
    assert server.follow(pid) == 0
    assert get(server) == "hello\n"
    assert server.stop() == 0
    assert systemd.store == {}


def test_what_nobody_wants_is_closed(activated, systemd, room):
    """A bind that is gone from the file, a socket whose file is another's."""
    gone, other = listen(str(room / "gone")), listen(str(room / "s"))
    (room / "s").unlink()
    ino = os.fstat(gone.fileno()).st_ino
    server = activated(
        [gone.fileno(), other.fileno()],
        [f"saola.{ino}.1.1", "saola.2.2.2"],
        bind=f"unix:{room}/s", env=systemd.env())
    gone.close()
    other.close()
    assert get(server) == "hello\n"
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(ConnectionRefusedError):
            sock.connect(str(room / "gone"))
    (room / "gone").unlink()


def test_the_store_follows_the_file(saola, systemd, room):
    server = saola(config=config(room), env=systemd.env())
    systemd.wait("READY", "1")
    first = set(systemd.store)
    (server.dir / "saola.conf").write_text(
        config(room, bind=f"unix:{room}/two"))
    mark = systemd.mark()
    server.signal(signal.SIGHUP)
    systemd.wait("FDSTOREREMOVE", "1", mark)
    assert len(systemd.store) == 1 and not first & set(systemd.store)
    server.wait_for(lambda: len(server.children()) == 2)


def test_passed_sockets_are_not_stored(saola, systemd):
    saola("hello:application", env=systemd.env())
    systemd.wait("READY", "1")
    assert systemd.store == {}


# The upgrade.

def test_mainpid_comes_from_the_old_and_ready_from_the_new(
        saola, systemd, room):
    server = saola("hello:application", bind=f"unix:{room}/s",
                   control=room / "c",
                   env=systemd.env(WATCHDOG_USEC="300000"))
    systemd.wait("READY", "1")
    mark, old = systemd.mark(), server.pid
    pid = int(server.ctl("upgrade").stdout.split()[1])
    told = systemd.wait("MAINPID", None, mark)
    assert told[0] == old and told[1]["MAINPID"] == str(pid)
    assert systemd.wait("READY", "1", mark)[0] == pid
    assert systemd.wait("FDSTORE", "1", mark)[0] == pid
    assert server.follow(pid) == 0
    assert systemd.wait("WATCHDOG", "1", systemd.mark())[0] == pid
    at = systemd.said.index(told)
    assert {m[0] for m in systemd.said[at + 1:]} == {pid}
    early = [m[1] for m in systemd.said[mark:at] if m[0] == pid]
    assert not any({"READY", "STATUS", "FDSTORE", "STOPPING"} & set(m)
                   for m in early)
    assert len(systemd.store) == 1
    assert server.stop() == 0
    assert systemd.store == {}


# Activation.

@pytest.mark.skipif(ACTIVATE is None, reason="needs systemd-socket-activate")
def test_started_by_the_first_connection(tmp_path, room, protocol):
    path = f"{room}/s"
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [ACTIVATE, "-l", path, BINARY, "--chdir", str(APPS), "-w", "1",
         "hello:application"], stderr=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    log = Pipe(reader)
    try:
        assert log.wait(lambda: os.path.exists(path), 10)
        client = PROTOCOLS[protocol](path)
        assert client.request().body == b"hello\n"
        assert procs.title(process.pid) == "saola: master"
        assert any("ready (1 worker)" in line for line in log.lines)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert os.path.exists(path), "systemd's socket is not ours to remove"


@pytest.mark.skipif(ACTIVATE is None, reason="needs systemd-socket-activate")
def test_names_map_sockets_to_applications(tmp_path, room):
    write_app(tmp_path, "the shop", "shop.py")
    write_app(tmp_path, "the blog", "blog.py")
    (tmp_path / "saola.conf").write_text(f"""
[defaults]
chdir = {tmp_path}
workers = 1
[app blog]
application = blog
[app shop]
application = shop
""")
    paths = [f"{room}/1", f"{room}/2"]
    process = subprocess.Popen(
        [ACTIVATE, "-l", paths[0], "-l", paths[1], "--fdname=shop:blog",
         BINARY, "-c", str(tmp_path / "saola.conf")],
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        while not os.path.exists(paths[1]):
            assert process.poll() is None
            time.sleep(0.01)
        assert PROTOCOLS["fastcgi"](paths[0]).request().body == b"the shop"
        assert PROTOCOLS["uwsgi"](paths[1]).request().body == b"the blog"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_activation_survives_an_upgrade(activated, room):
    with listen(str(room / "a")) as one, listen(str(room / "b")) as two:
        server = activated([one.fileno(), two.fileno()], ["x", "x"],
                           bind=f"unix:{room}/c", control=room / "ctl")
    for _ in range(2):
        pid = int(server.ctl("upgrade").stdout.split()[1])
        assert server.follow(pid) == 0
        for name in "a", "b", "c":
            server.address = f"{room}/{name}"
            assert get(server) == "hello\n"
    assert server.stop() == 0
    assert sorted(p.name for p in room.glob("?")) == ["a", "b"]
    for name in "a", "b":
        (room / name).unlink()


# Capabilities of a unit instead of root.

@pytest.mark.skipif(not ROOT, reason="only root can give capabilities")
def test_a_master_that_is_not_root_serves_several_users(
        tmp_path_factory, tmp_path, saola):
    """As deploy/saola-users.conf has it."""
    place = tmp_path_factory.mktemp("users")
    for part in [place, tmp_path, *place.parents][:4]:
        part.chmod(part.stat().st_mode | 0o755)
    (place / "run").mkdir()
    os.chown(place / "run", 1234, 1234)
    source = (APPS / "identity.py").read_text()
    (place / "identity.py").write_text(source)
    wanted = "+setuid,+setgid,+kill,+chown"
    binary = place / "saola"
    shutil.copy(BINARY, binary)
    wrapper = place / "wrapper"
    wrapper.write_text(
        "#!/bin/sh\nexec setpriv --reuid=1234 --regid=1234 --clear-groups "
        f"--inh-caps=-all,{wanted} --ambient-caps=-all,{wanted} "
        f'--bounding-set=-all,{wanted} {binary} "$@"\n')
    wrapper.chmod(0o755)
    server = saola(config=f"""
[defaults]
chdir = {place}
application = identity:application
workers = 1
[app shop]
user = daemon
bind = unix:{place}/run/shop
access_logfile = {place}/run/shop.log
[app own]
bind = unix:{place}/run/own
""", binary=wrapper)
    server.wait_ready(count=2)
    for name, uid in ("shop", 1), ("own", 1234):
        server.address = f"{place}/run/{name}"
        assert os.stat(server.address).st_uid == uid
        told = facts(server)
        assert told["uid"] == [uid] * 3
        for pid in server.workers(name) + server.templates(name):
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                caps = dict(re.findall(r"Cap(\w+):\t(\w+)", f.read()))
            assert {caps[n] for n in ("Inh", "Prm", "Eff", "Amb")} == {
                "0" * 16}
    log = (place / "run" / "shop.log").stat()
    assert (log.st_uid, log.st_gid) == (1234, 1)
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        assert "Uid:\t1234\t1234\t1234\t1234\n" in f
    mark = server.mark()
    server.signal(signal.SIGHUP)
    for name in "shop", "own":
        server.wait_log(f"app {name}: ready", after=mark)
    server.wait_for(lambda: len(server.children()) == 4)
    assert server.stop() == 0
    assert not (place / "run" / "shop").exists()


# The units.

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """make install into a directory, for one version of systemd."""
    def install(version):
        place = tmp_path_factory.mktemp(f"systemd{version}")
        done = subprocess.run(
            ["make", "-s", "-o", "all", "install", f"PREFIX={place}",
             f"SYSTEMD={version}"], cwd=TOP, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return place
    return install


def setting(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.M)


@pytest.mark.parametrize("version, kind", [
    (247, "notify"), (252, "notify"), (253, "notify-reload"),
    (257, "notify-reload")])
def test_the_type_fits_the_version(installed, version, kind):
    place = installed(version)
    for name in "saola.service", "saola@.service":
        unit = place / "lib" / "systemd" / "system" / name
        assert setting(unit, "Type") == [kind]
        reload = setting(unit, "ExecReload")
        assert len(reload) == (kind == "notify")
        for line in reload + setting(unit, "ExecStart"):
            assert os.access(line.split()[0], os.X_OK)


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units(installed):
    units = installed(252) / "lib" / "systemd" / "system"
    shutil.copy(units / "saola@.service", units / "saola@shop.service")
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", units / "saola.service",
         units / "saola@shop.service", units / "saola.socket"],
        capture_output=True, text=True)
    bad = [line for line in done.stderr.splitlines() if "saola" in line]
    assert bad == []


def exposure(unit, threshold):
    return subprocess.run(
        [ANALYZE, "security", "--offline=yes", f"--threshold={threshold}",
         "--no-pager", unit], capture_output=True, text=True)


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["saola.service", "saola@.service"])
def test_the_units_are_exposed_little(name):
    """R33."""
    done = exposure(TOP / "deploy" / name, 15)
    assert done.returncode == 0, done.stdout[-200:]
    assert re.search(r"Overall exposure level .*: 1\.\d", done.stdout)


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
def test_for_several_users_a_little_more(room):
    shutil.copy(TOP / "deploy" / "saola.service", room)
    (room / "saola.service.d").mkdir()
    shutil.copy(TOP / "deploy" / "saola-users.conf", room / "saola.service.d")
    done = exposure(room / "saola.service", 20)
    assert done.returncode == 0, done.stdout[-200:]
    assert "AmbientCapabilities" in done.stdout

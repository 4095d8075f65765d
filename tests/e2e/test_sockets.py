# SPDX-License-Identifier: MIT
"""Where saola listens: UNIX paths and names, TCP, passed sockets."""

import os
import re
import select
import shutil
import socket
import stat
import subprocess

import pytest

import procs
from peer import PROTOCOLS
from server import APPS, BINARY, listen

ROOT = os.geteuid() == 0


def status(address, protocol="fastcgi"):
    return PROTOCOLS[protocol](address).request().status


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def refused(saola, bind, said, **options):
    server = saola("hello:application", bind=[], ready=False,
                   args=[f"--bind={text}" for text in bind], **options)
    assert server.wait_exit() == 1
    assert server.grep(said), server.log


# UNIX sockets.

def test_a_path(saola, protocol, tmp_path):
    path = tmp_path / "s"
    server = saola("hello:application", bind=f"unix:{path}")
    assert status(str(path), protocol) == 200
    assert mode(path) == 0o660
    assert server.stop() == 0
    assert not path.exists()


@pytest.mark.parametrize("wanted", ["0600", "0666", "0770"])
def test_the_mode_does_not_depend_on_the_umask(saola, tmp_path, wanted):
    path = tmp_path / "s"
    saola("hello:application", bind=f"unix:{path}", socket_mode=wanted,
          umask="077", preexec_fn=lambda: os.umask(0o077))
    assert mode(path) == int(wanted, 8)


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
@pytest.mark.parametrize("options, owner", [
    ({}, (0, 0)), ({"user": "daemon"}, (1, 1)),
    ({"user": "daemon", "socket_group": "www-data"}, (1, 33)),
    ({"socket_owner": "www-data"}, (33, 33)),
    ({"socket_owner": "12345", "socket_group": "54321"}, (12345, 54321)),
])
def test_owner_and_group(saola, tmp_path, options, owner):
    path = tmp_path / "s"
    for part in [tmp_path, *tmp_path.parents][:3]:
        part.chmod(part.stat().st_mode | 0o755)
    # The other user may not be able to enter the directory of this clone.
    shutil.copy(APPS / "hello.py", tmp_path)
    saola("hello:application", bind=f"unix:{path}", chdir=tmp_path, **options)
    found = path.stat()
    assert (found.st_uid, found.st_gid) == owner


def test_unknown_socket_owner(saola, tmp_path):
    refused(saola, [f"unix:{tmp_path}/s"], "socket: there is no user nobody-x",
            socket_owner="nobody-x")


def test_a_stale_socket_is_replaced(saola, tmp_path):
    path = tmp_path / "s"
    listen(str(path)).close()
    saola("hello:application", bind=f"unix:{path}")
    assert status(str(path)) == 200


def test_a_live_one_is_refused_and_lives_on(saola, tmp_path):
    path = tmp_path / "s"
    saola("hello:application", bind=f"unix:{path}")
    inode = path.stat().st_ino
    refused(saola, [f"unix:{path}"], f"unix:{path} is in use")
    assert path.stat().st_ino == inode
    assert status(str(path)) == 200


def test_a_plain_file_is_left_alone(saola, tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    refused(saola, [f"unix:{path}"], "not a socket")
    assert path.read_text() == "precious"


def test_a_path_of_108_bytes(saola, tmp_path):
    refused(saola, ["unix:/" + "x" * 107], "too long")


def test_a_directory_nobody_can_enter_is_named(saola, tmp_path):
    place = tmp_path / "private"
    place.mkdir(mode=0o700)
    server = saola("hello:application", bind=f"unix:{place}/s")
    assert server.grep(f"directory {place} has mode 0700; a proxy that runs "
                       "as another user cannot enter it")
    server = saola("hello:application", bind=f"unix:{place}/t",
                   socket_mode="0600")
    assert not server.grep("cannot enter")


def test_only_our_own_path_is_removed(saola, tmp_path):
    path = tmp_path / "s"
    server = saola("hello:application", bind=f"unix:{path}")
    path.unlink()
    with listen(str(path)):
        assert server.stop() == 0
        assert path.exists()


def test_an_abstract_name(saola, protocol):
    name = f"saola-test-{os.getpid()}"
    server = saola("hello:application", bind=f"unix:@{name}")
    assert status(f"\0{name}", protocol) == 200
    assert server.grep(f"listening on unix:@{name} ")


# TCP.

def test_tcp(saola, protocol):
    port = free_port()
    saola("hello:application", bind=f"127.0.0.1:{port}")
    assert status(("127.0.0.1", port), protocol) == 200


def test_tcp_v6(saola, protocol):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port = free_port(socket.AF_INET6, "::1")
    server = saola("hello:application", bind=f"[::1]:{port}")
    assert status(("::1", port), protocol) == 200
    assert server.grep(rf"listening on \[::1\]:{port} ")


def test_tcp_in_use(saola):
    with listen(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused(saola, [f"127.0.0.1:{port}"], f"127.0.0.1:{port} is in use")


def test_tcp_takes_allowed_peers_only(saola, protocol):
    port = free_port()
    server = saola("hello:application", bind=f"127.0.0.1:{port}",
                   allow_from="192.0.2.0/24")
    with PROTOCOLS[protocol](("127.0.0.1", port)).connect() as conn:
        assert conn.rest() == b""
    server.wait_log(r"127\.0\.0\.1:\d+ refused: not in allow_from")
    port = free_port()
    saola("hello:application", bind=f"127.0.0.1:{port}",
          allow_from=["192.0.2.0/24", "127.0.0.0/30"])
    assert status(("127.0.0.1", port), protocol) == 200


@pytest.mark.parametrize("bind, said", [
    ("8000", "write HOST:PORT or unix:PATH"),
    ("/run/s", "unix:/run/s would be one"),
    ("127.0.0.1:http", "is not a port"),
    ("fd://99", "descriptor 99 is not open"),
    ("fd:nobody", "no passed socket has this name"),
])
def test_what_is_not_an_address(saola, bind, said):
    refused(saola, [bind], said)


# Several, and passed ones.

def test_several_binds(saola, protocol, tmp_path):
    port = free_port()
    saola("hello:application", workers=2, bind=[
        f"unix:{tmp_path}/a", f"127.0.0.1:{port}", f"unix:{tmp_path}/b"])
    for address in f"{tmp_path}/a", ("127.0.0.1", port), f"{tmp_path}/b":
        assert status(address, protocol) == 200


def test_one_that_fails_takes_the_others_back(saola, tmp_path):
    refused(saola, [f"unix:{tmp_path}/a", "unix:/nowhere/b"],
            "directory does not exist")
    assert not (tmp_path / "a").exists()


class Activated:
    """saola as a service manager starts it: descriptors from 3 on."""

    def __init__(self, place, names, args):
        self.socks = []
        for n in range(len(names)):
            path = str(place / f"passed{n}")
            self.socks.append((path, listen(path)))
        self.start(names, args)

    def start(self, names, args):
        pairs = " ".join(f"{3 + n}<&{s.fileno()}"
                         for n, (_, s) in enumerate(self.socks))
        script = (f"exec {pairs}; export LISTEN_PID=$$ LISTEN_FDS="
                  f"{len(names)} LISTEN_FDNAMES={':'.join(names)}; "
                  'exec "$@"')
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", script, "sh", BINARY, *map(str, args)],
            pass_fds=[s.fileno() for _, s in self.socks], text=True,
            stderr=subprocess.PIPE)
        self.log = []

    def wait_log(self, pattern):
        for line in self.process.stderr:
            self.log.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError("".join(self.log))

    def stop(self):
        self.process.terminate()
        for line in self.process.stderr:
            self.log.append(line)
        self.process.stderr.close()
        return self.process.wait(30)

    def close(self):
        if self.process.poll() is None:
            assert self.stop() == 0
        for _, sock in self.socks:
            sock.close()


@pytest.fixture
def activated(tmp_path):
    started = []

    def start(names, *args):
        server = Activated(tmp_path, names, args)
        started.append(server)
        return server
    yield start
    for server in started:
        server.close()


def test_passed_sockets_add_to_the_binds(activated, tmp_path):
    server = activated(["x", "y"], "--chdir", APPS, "-w", "1",
                       "-b", f"unix:{tmp_path}/own", "hello:application")
    server.wait_log("ready")
    for address in [f"{tmp_path}/own"] + [p for p, _ in server.socks]:
        assert status(address) == 200
    assert server.stop() == 0
    assert not (tmp_path / "own").exists()
    for path, _ in server.socks:
        assert os.path.exists(path)


def test_passed_sockets_need_no_bind(activated):
    server = activated(["x"], "--chdir", APPS, "-w", "1", "hello:application")
    server.wait_log("ready")
    assert status(server.socks[0][0]) == 200
    assert len([x for x in server.log if "listening on" in x]) == 1


def test_a_passed_socket_survives_reload_and_restart(activated):
    server = activated(["x"], "--chdir", APPS, "-w", "1", "hello:application")
    server.wait_log("ready")
    os.kill(server.process.pid, 1)
    server.wait_log("ready")
    assert status(server.socks[0][0]) == 200
    assert server.stop() == 0


def turns(pid):
    """How often the threads of a process went to sleep of themselves."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)",
                                   f.read(), re.M)[1])
    return total


def test_what_waits_on_an_activated_socket_is_for_the_next(
        activated, tmp_path):
    args = "--chdir", APPS, "-w", "1", "each:application"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = activated(["x"], *args)
    server.wait_log("ready")
    client = PROTOCOLS["fastcgi"](server.socks[0][0])
    worker, = [p for p in procs.children(server.process.pid)
               if "worker" in procs.title(p)]
    with client.connect() as runs:
        runs.send(client.wire("GET", f"/process/gate?{fifo}", {}, b""))
        with open(fifo, "w", encoding="ascii"):
            waits = client.connect()
            waits.send(client.wire("GET", "/process/pid", {}, b""))
            asleep = turns(worker)
            server.process.terminate()
            # Once told to stop, its watchdog wakes again and again.
            while turns(worker) < asleep + 3:
                select.select([], [], [], 0.005)
        assert b"200 OK" in runs.rest()
        assert server.stop() == 0
        assert not waits.readable(0)
        server.start(["x"], args)
        server.wait_log("ready")
        assert b"200 OK" in waits.rest()
        waits.close()


def test_names_map_sockets_to_applications(activated, tmp_path):
    (tmp_path / "saola.conf").write_text(f"""
[defaults]
application = identity
chdir = {APPS}
workers = 1
[app shop]
env = WHO=shop
[app blog]
env = WHO=blog
bind = fd:second
""")
    server = activated(["shop", "second", "second"], "-c",
                       tmp_path / "saola.conf")
    server.wait_log("ready")
    server.wait_log("ready")
    wanted = ["shop", "blog", "blog"]
    for (path, _), name in zip(server.socks, wanted):
        body = PROTOCOLS["uwsgi"](path).request(path="/?").body.decode()
        assert f'"WHO": "{name}"' in body
        assert "LISTEN_FDS" not in body


def test_a_worker_has_only_the_sockets_of_its_application(
        saola, tmp_path):
    text = "".join(f"""
[app {name}]
application = identity
chdir = {APPS}
workers = 1
bind = unix:{tmp_path}/{name}
""" for name in ("shop", "blog"))
    server = saola(config=text, ready=False)
    server.wait_ready(2)
    inodes = {}
    with open("/proc/net/unix", encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if len(fields) > 7:
                inodes[f"socket:[{fields[6]}]"] = fields[7]
    for name in "shop", "blog":
        worker, = server.workers(name)
        held = [inodes[what] for what in procs.descriptors(worker).values()
                if what in inodes]
        assert held == [f"{tmp_path}/{name}"]

# SPDX-License-Identifier: MIT
"""The control socket and saolactl."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

import procs
from server import CTL
from test_process import Blocked, Load, config, get, write_app

ROOT = os.geteuid() == 0


@pytest.fixture
def room(tmp_path_factory):
    """A directory whose name leaves room for a socket's."""
    return tmp_path_factory.mktemp("c")


@pytest.fixture
def control(saola, room):
    """Start a server that has a control socket here."""
    def start(app="hello:application", **options):
        return saola(app, control=room / "c", **options)
    return start


def talk(path, request, timeout=20):
    """What comes back, up to the end of the connection."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    return answer


def ask(path, request):
    answer = talk(path, request.encode() + b"\n")
    assert answer.endswith(b"\n") and answer.count(b"\n") == 1
    return json.loads(answer)


def run(*words, env=None):
    return subprocess.run([CTL, *map(str, words)], text=True, timeout=60,
                          capture_output=True, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/bin:/bin", **(env or {})})


# Status.

def test_status(control, room):
    server = control("each:application", workers=2)
    get(server, "/process/pid")
    told = ask(room / "c", "status")
    assert told["ok"] is True
    assert (told["name"], told["pid"], told["state"]) == (
        "each", server.pid, "serving")
    app, = told["apps"]
    assert app["name"] == "each" and app["state"] == "serving"
    assert (app["wanted"], app["ready"], app["busy"]) == (2, 2, 0)
    assert app["requests"] == 1 and app["generation"] == 1
    assert app["listen"] == [f"unix:{server.address}"]
    done = server.ctl("status")
    assert done.returncode == 0 and done.stderr == ""
    assert f"each: master {server.pid}, serving for " in done.stdout
    assert re.search(r"\neach +serving +2/2 +0 +1  unix:", done.stdout)
    assert json.loads(server.ctl("--json", "status").stdout)["ok"] is True


def test_workers_and_the_request_without_its_query(control, room):
    server = control("each:application", workers=1)
    blocked = Blocked(server, room)
    told = ask(room / "c", "workers")
    template, worker = told["workers"]
    assert "id" not in template
    assert template["pid"] == server.templates()[0]
    assert worker["pid"] == server.workers()[0] and worker["id"] == 0
    assert worker["state"] == "busy"
    assert worker["request"]["method"] == "GET"
    assert worker["request"]["uri"] == "/process/gate"
    shown = server.ctl("workers").stdout
    assert re.search(r"\neach +0 +\d+ +1 busy +0  GET /process/gate for \d+ "
                     r"ms\n", shown)
    assert blocked.let_go().status == 200
    assert "fifo" not in shown


def test_status_names_what_fails(saola, room):
    write_app(room, "import nosuchmodule\n", "bad.py")
    server = saola(config=f"[saola]\ncontrol = {room}/c\n"
                   + config(room, "good")
                   + f"[app bad]\napplication = bad\nchdir = {room}\n"
                   f"bind = unix:{room}/b\nworkers = 1\n", ready=False)
    server.wait_log("app good: ready")
    server.wait_log("app bad: next try in 1 s")
    told = ask(room / "c", "status")
    states = {app["name"]: app["state"] for app in told["apps"]}
    assert states == {"good": "serving", "bad": "failing"}
    assert told["state"] == "starting"
    server.forgive("family", "descriptors")
    (room / "bad.py").unlink()


# Reload.

def test_reload_returns_when_the_new_code_serves(control, room, protocol):
    write_app(room, "old")
    server = control("app:application", chdir=room, workers=2)
    write_app(room, "new one")
    done = server.ctl("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    server.wait_for(lambda: get(server, protocol=protocol) == "new one")
    (room / "app.py").unlink()


@pytest.mark.parametrize("preload", [False, True])
def test_reload_of_broken_code_fails_with_the_exception(
        control, room, preload):
    write_app(room, "old")
    server = control("app:application", chdir=room, preload=preload)
    write_app(room, "import nosuchmodule\n")
    done = server.ctl("reload")
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(
        r"saolactl: reload: app app: \w+ failed to boot: .*"
        r"No module named 'nosuchmodule'\n", done.stderr)
    assert get(server) == "old"
    write_app(room, "mended")
    assert server.ctl("reload").returncode == 0
    server.wait_for(lambda: get(server) == "mended")
    (room / "app.py").unlink()


def test_reload_of_a_broken_file_fails_with_its_line(saola, room):
    head = f"[saola]\ncontrol = {room}/c\n"
    server = saola(config=head + config(room))
    (server.dir / "saola.conf").write_text(head + "bogus = 1\n")
    done = server.ctl("reload")
    assert done.returncode == 1
    assert re.search(r"saola\.conf:3: unknown key bogus", done.stderr)
    server.address = f"{room}/shop"
    assert get(server) == "hello\n"


def test_reload_of_one_application(saola, room):
    text = f"[saola]\ncontrol = {room}/c\n" + config(room) + config(
        room, "blog")
    server = saola(config=text)
    server.wait_ready(count=2)
    shop, blog = server.children(), server.titled("saola: worker blog")
    done = server.ctl("reload", "shop")
    assert done.returncode == 0, done.stderr
    server.wait_for(lambda: len(server.children()) == 4)
    assert server.titled("saola: worker blog") == blog
    assert not set(server.titled("saola: worker shop")) & set(shop)
    done = server.ctl("reload", "nosuch")
    assert done.returncode == 1
    assert "there is no app nosuch in the configuration" in done.stderr
    (server.dir / "saola.conf").write_text(text + config(room, "wiki"))
    assert server.ctl("reload", "wiki").returncode == 0
    server.address = f"{room}/wiki"
    assert get(server) == "hello\n"
    server.wait_for(lambda: len(server.children()) == 6)
    server.settle()


def test_many_reloads_at_once_are_all_answered(control):
    server = control("hello:application", workers=1)
    asked = [subprocess.Popen([CTL, "-s", server.control, "reload", *word],
                              stderr=subprocess.PIPE)
             for word in [[], ["hello"], [], ["hello"], []] for _ in range(4)]
    for process in asked:
        assert process.wait(30) == 0, process.stderr.read()
        process.stderr.close()
    server.wait_for(lambda: len(server.children()) == 2)
    assert len(server.grep("reloading")) < 20


def test_a_failed_first_boot_and_its_repair(saola, room):
    """The reload waits for an application that has never served."""
    write_app(room, "import nosuchmodule\n", "bad.py")
    server = saola(config=f"[saola]\ncontrol = {room}/c\n"
                   + config(room, "good")
                   + f"[app bad]\napplication = bad\nchdir = {room}\n"
                   f"bind = unix:{room}/b\nworkers = 1\n", ready=False)
    server.wait_log("app good: ready")
    server.wait_log("app bad: next try in 1 s")
    done = server.ctl("reload", "bad")
    assert done.returncode == 1 and "nosuchmodule" in done.stderr
    write_app(room, "repaired", "bad.py")
    assert server.ctl("reload", "bad").returncode == 0
    server.address = f"{room}/b"
    assert get(server) == "repaired"
    server.wait_for(lambda: len(server.children()) == 4)
    server.settle()
    (room / "bad.py").unlink()


# Scale and stop.

def test_scale(control):
    server = control(workers=1)
    assert server.ctl("scale", "hello", 3).returncode == 0
    server.wait_for(lambda: len(server.workers()) == 3)
    assert server.ctl("scale", "hello", 1).returncode == 0
    server.wait_for(lambda: len(server.workers()) == 1)
    for words, said in [
            (["hello", 0], "0 is not a number of workers"),
            (["hello", 5000], "5000 is not a number of workers"),
            (["hello", "x"], "x is not a number"),
            (["nosuch", 1], "there is no app nosuch")]:
        done = server.ctl("scale", *words)
        assert done.returncode == 1 and said in done.stderr
    assert len(server.workers()) == 1


def test_stop_returns_when_it_has_stopped(control, room):
    server = control("each:application")
    blocked = Blocked(server, room)
    stop = subprocess.Popen([CTL, "-s", server.control, "stop"])
    server.wait_log("stopping when running requests are finished")
    assert ask(room / "c", "status")["state"] == "stopping"
    assert ask(room / "c", "reload") == {
        "ok": False, "error": "the server stops"}
    assert stop.poll() is None
    assert blocked.let_go().status == 200
    assert stop.wait(20) == 0
    assert server.wait_exit() == 0
    assert not (room / "c").exists()


def test_stop_fast(control, room):
    server = control("each:application")
    blocked = Blocked(server, room)
    assert server.ctl("stop", "fast").returncode == 0
    assert server.wait_exit() == 0
    blocked.let_go()
    assert server.grep("stopping at once")


# Where it is.

def test_it_is_only_ours(control, room):
    control()
    found = os.stat(room / "c")
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.geteuid()


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
def test_a_stranger_is_refused_whatever_the_mode_says(control, room):
    server = control()
    for part in [room, *room.parents][:3]:
        part.chmod(part.stat().st_mode | 0o755)
    (room / "c").chmod(0o666)
    script = ("import socket\n"
              "s = socket.socket(socket.AF_UNIX)\n"
              f"s.connect({str(room / 'c')!r})\n"
              "try:\n"
              "    s.sendall(b'stop\\n')\n"
              "    print(s.recv(100))\n"
              "except (BrokenPipeError, ConnectionResetError):\n"
              "    print(b'')\n")
    done = subprocess.run(["/usr/bin/python3", "-c", script], user=1, group=1,
                          extra_groups=[], capture_output=True, text=True,
                          cwd="/")
    assert done.stdout == "b''\n", done.stderr
    server.wait_log("control socket: refused a peer of another user")
    assert get(server) == "hello\n"


def test_the_places_it_is_looked_for(saola, room):
    saola("hello:application", env={"RUNTIME_DIRECTORY": room}, name="one")
    assert (room / "one.sock").exists()
    found = run("status", env={"RUNTIME_DIRECTORY": f"{room}:/elsewhere"})
    assert found.returncode == 0 and "one: master" in found.stdout
    (room / "saola").mkdir()
    if not ROOT or not os.access("/run/saola", os.W_OK):
        env = {"XDG_RUNTIME_DIR": str(room), "RUNTIME_DIRECTORY": ""}
        if not ROOT:
            saola("hello:application", env=env, name="two/../x")
            assert (room / "saola" / "two_.._x.sock").exists()
            assert run("status", env=env).returncode == 0


def test_several_are_listed(saola, room):
    env = {"RUNTIME_DIRECTORY": str(room)}
    saola("hello:application", env=env, name="one")
    saola("hello:application", env=env, name="two")
    done = run("status", env=env)
    assert done.returncode == 2
    assert "several instances" in done.stderr
    assert f"-s {room}/one.sock" in done.stderr
    assert f"-s {room}/two.sock" in done.stderr


def test_another_instance_there_is_no_reason_not_to_start(saola, room):
    env = {"RUNTIME_DIRECTORY": str(room)}
    first = saola("hello:application", env=env)
    second = saola("hello:application", env=env)
    line = second.wait_log("no control socket, saolactl cannot reach")
    assert f"unix:{room}/hello.sock is in use" in line
    assert get(second) == "hello\n"
    assert second.stop() == 0
    assert run("status", env=env).stdout.count(str(first.pid)) == 1


def test_a_place_that_cannot_be_written_is_no_reason_either(saola):
    server = saola("hello:application", control="/proc/nowhere/c")
    server.wait_log("no control socket, saolactl cannot reach this instance: "
                    "unix:/proc/nowhere/c: ")
    assert get(server) == "hello\n"


def test_a_stale_one_is_replaced(control, room):
    server = control()
    server.forgive("files")
    family = server.children()
    server.signal(signal.SIGKILL)
    server.wait_exit()
    server.wait_for(lambda: all(procs.is_gone(p) or procs.is_zombie(p)
                                for p in family))
    assert run("-s", room / "c", "status").returncode == 3
    again = control()
    assert again.ctl("status").returncode == 0


# saolactl's own mistakes.

@pytest.mark.parametrize("words, code, said", [
    ([], 2, "which command"),
    (["frobnicate"], 2, "unknown command frobnicate"),
    (["status", "x"], 2, "usage: saolactl status"),
    (["scale", "x"], 2, "usage: saolactl scale APP N"),
    (["reload", "a b"], 2, "not one word"),
    (["reload", "a\nstop"], 2, "not one word"),
    (["reload", ""], 2, "not one word"),
    (["--nosuch"], 2, "nosuch"),
    (["-s", "/nowhere/c", "status"], 3, "/nowhere/c: No such file"),
    (["-s", "x" * 200, "status"], 2, "too long"),
])
def test_mistakes(words, code, said):
    done = run(*words)
    assert done.returncode == code and done.stdout == ""
    assert said in done.stderr and "Traceback" not in done.stderr


def test_nobody_found(room):
    if os.path.isdir("/run/saola"):
        pytest.skip("there may be instances in /run/saola")
    done = run("status", env={"RUNTIME_DIRECTORY": str(room)})
    assert done.returncode == 3 and "no instance found" in done.stderr


def test_help_and_version():
    done = run("--help")
    assert done.returncode == 0
    for word in "status", "workers", "reload", "scale", "upgrade", "stop":
        assert f"\n  {word}" in done.stdout
    assert re.fullmatch(r"saolactl \d+\.\d+\.\d+\n", run("-v").stdout)


def test_it_is_small():
    needed = subprocess.run(["ldd", CTL], capture_output=True, text=True,
                            check=True).stdout
    assert "python" not in needed and "event" not in needed


# Hostile peers.

@pytest.mark.parametrize("request_line, said", [
    (b"\n", "unknown command"),
    (b"   \t\n", "unknown command"),
    (b"frob\n", "unknown command frob"),
    (b"status more\n", "status: 1 words, not 0 to 0"),
    (b"a b c d e f g h\n", "unknown command a"),
    (b"reload a b c d e f g h\n", "reload: 4 words"),
    (b"\xff\xfe\x00status\n", "unknown command"),
    (b"stop now\n", "stop now: stop or stop fast"),
    (b"x" * 4096, "the request is too long"),
    (b'reload "\\x\x01\n', "there is no app"),
])
def test_nonsense_is_answered(control, room, request_line, said):
    server = control()
    try:
        answer = json.loads(talk(room / "c", request_line))
    except ConnectionResetError:
        assert len(request_line) > 1024     # the rest of it was not read
        answer = {"ok": False, "error": said}
    assert answer["ok"] is False and said in answer["error"]
    assert ask(room / "c", "status")["state"] == "serving"
    assert server.workers()


def test_peers_that_say_nothing_do_not_stand_in_the_way(control, room):
    server = control()
    idle = []
    for _ in range(31):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(room / "c"))
        idle.append(sock)
    idle[0].sendall(b"stat")
    assert ask(room / "c", "status")["ok"]
    more = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for sock in more:
        sock.connect(str(room / "c"))
    assert get(server) == "hello\n"
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: len(server.grep("ready \\(1 worker\\)")) == 2)
    for sock in idle + more:
        sock.close()
    assert ask(room / "c", "status")["ok"]
    server.wait_for(lambda: len(server.children()) == 2)


def test_a_peer_that_leaves_before_its_answer(control, room):
    write_app(room, "app")
    server = control("app:application", chdir=room)
    for request in b"reload\n", b"status\n", b"rel", b"upgr":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(room / "c"))
            sock.sendall(request)
    assert ask(room / "c", "status")["ok"]
    server.wait_for(lambda: len(server.grep("ready \\(1 worker\\)")) == 2)
    server.wait_for(lambda: len(server.children()) == 2)
    (room / "app.py").unlink()


def test_a_request_in_pieces(control, room):
    control()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(room / "c"))
        for byte in b"status\r\n":
            sock.sendall(bytes([byte]))
        assert json.loads(sock.makefile().read())["ok"] is True


def test_nothing_is_lost_while_everything_is_asked(control, room, protocol):
    """Two peers that ask all the time, reloads and scaling, and load."""
    server = control("each:application", workers=2)
    load = Load(server, protocol, threads=2, path="/process/pid")
    over = threading.Event()

    def curious():
        while not over.is_set():
            assert ask(room / "c", "status")["ok"]
            assert ask(room / "c", "workers")["ok"]

    threads = [threading.Thread(target=curious) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(3):
        assert server.ctl("reload").returncode == 0
        assert server.ctl("scale", "each", n + 1).returncode == 0
    over.set()
    for thread in threads:
        thread.join()
    load.stop()
    assert load.bad == [] and load.good > 50
    server.wait_for(lambda: len(server.workers()) == 3)
    server.settle()


def test_workers_do_not_inherit_it(control, room):
    server = control("identity:application", workers=1)
    assert json.loads(get(server, "/?inherited")) == []
    with open("/proc/net/unix", encoding="utf-8") as f:
        inodes = [line.split()[6] for line in f if line.endswith(
            f" {room}/c\n")]
    assert len(inodes) == 1
    for pid in server.children():
        assert f"socket:[{inodes[0]}]" not in procs.descriptors(pid).values()

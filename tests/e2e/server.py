# SPDX-License-Identifier: MIT
"""A running saola, and the invariants that hold after every test."""

import os
import pathlib
import re
import select
import socket
import subprocess
import threading
import time
from signal import SIGKILL, SIGTERM

import procs
from peer import PROTOCOLS

TOP = pathlib.Path(__file__).resolve().parents[2]
APPS = TOP / "tests" / "apps"
BINARY = os.environ.get("SAOLA", str(TOP / "saola"))
CTL = os.environ.get("SAOLACTL", str(TOP / "saolactl"))

PATIENCE = float(os.environ.get("PATIENCE", 10))    # seconds for an event

READY = r"app \S+: ready \(\d+ workers?[ )]"
SANITIZER = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer"
    r"|runtime error:")
CRIT = re.compile(r"^\S+ \S+ crit ")


class Pipe:
    """Reads a descriptor to lines in a thread of its own; others wait."""

    def __init__(self, fd):
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, args=(fd,),
                                       daemon=True)
        self.thread.start()

    def read(self, fd):
        with open(fd, "rb") as stream:
            for line in stream:
                with self.changed:
                    self.lines.append(
                        line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, found, timeout):
        """Until found() is true: looked at after every line, and now and
        then, since not everything shows in the log."""
        end = time.monotonic() + timeout
        with self.changed:
            while not (answer := found()):
                if time.monotonic() > end:
                    return None
                self.changed.wait(0.02)
        return answer


class StartError(AssertionError):
    """saola ended, or never said that it is ready."""


def arguments(options):
    """Keyword arguments to a command line."""
    args = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            args.append(flag)
        elif value is False:
            args.append("--no-" + flag[2:])
        elif value is not None:
            for item in value if isinstance(value, list) else [value]:
                args += [flag, str(item)]
    return args


def listen(address, backlog=4096):
    """A listening socket at a path or a (host, port) pair."""
    if isinstance(address, tuple):
        sock = socket.socket(socket.AF_INET6 if ":" in address[0]
                             else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        sock = socket.socket(socket.AF_UNIX)
    sock.bind(address)
    sock.listen(backlog)
    return sock


class Server:
    """One saola. Made by the fixture saola(); see conftest.py."""

    def __init__(self, place, app=None, *, bind=None, config=None, env=None,
                 args=(), ready=True, chdir=APPS, workers=1, cwd=None,
                 preexec_fn=None, binary=BINARY, pass_fds=(), **options):
        self.dir = place
        self.address = None
        self.expected = []
        self.forgiven = set()
        self.checked = 0
        place.mkdir(parents=True)
        (place / "tmp").mkdir()
        if config is not None:
            (place / "saola.conf").write_text(config)
            options["config"] = place / "saola.conf"
            if bind is None:
                bind = []
        else:
            options.update(chdir=chdir, workers=workers)
        passed = self.choose_address(bind)
        if passed is not None:
            options["bind"] = f"fd://{passed.fileno()}"
        elif bind:
            options["bind"] = bind
        self.command = [str(binary), *arguments(options), *map(str, args)]
        if app is not None:
            self.command.append(app)
        self.files_before = self.files()
        self.spawn(passed, env or {}, cwd or place, preexec_fn, pass_fds)
        if ready:
            self.wait_ready()

    def choose_address(self, bind):
        """The harness binds, unless the test says where saola should."""
        if bind is None:
            self.address = str(self.dir / "sock")
            return listen(self.address)
        if bind == "tcp":
            passed = listen(("127.0.0.1", 0))
            self.address = passed.getsockname()
            return passed
        first = bind[0] if isinstance(bind, list) and bind else bind
        if first:
            self.address = parse_address(first)
        return None

    def spawn(self, passed, env, cwd, preexec_fn, pass_fds):
        environ = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.dir),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.dir / "tmp"),
            "RUNTIME_DIRECTORY": str(self.dir),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS") or name == "PYTHONMALLOC":
                environ[name] = value
        environ.update({k: str(v) for k, v in env.items()})
        reader, writer = os.pipe()
        out_reader, out_writer = os.pipe()
        self.process = subprocess.Popen(
            self.command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL,
            stdout=out_writer, stderr=writer, preexec_fn=preexec_fn,
            pass_fds=[*pass_fds, *([passed.fileno()] if passed else [])])
        self.pid = self.process.pid
        os.close(writer)
        os.close(out_writer)
        if passed is not None:
            passed.close()
        self.pipe = Pipe(reader)
        self.out = Pipe(out_reader)

    # What it says.

    @property
    def log(self):
        """All lines of its standard error so far."""
        return list(self.pipe.lines)

    def mark(self):
        """Where the log ends now, for wait_log(after=)."""
        return len(self.pipe.lines)

    def grep(self, pattern, after=0):
        return [line for line in self.log[after:] if re.search(pattern, line)]

    def wait_log(self, pattern, after=0, timeout=PATIENCE):
        """The first line from `after` on that matches, when it is there."""
        def found():
            return next(iter(self.grep(pattern, after)), None)
        line = self.pipe.wait(lambda: found() or self.pipe.ended, timeout)
        line = found()
        assert line, f"no line like {pattern!r} in the log"
        return line

    def wait_for(self, predicate, timeout=PATIENCE):
        """Until predicate() is true; its value."""
        answer = self.pipe.wait(predicate, timeout)
        assert answer, f"{predicate} stayed false for {timeout} s"
        return answer

    def wait_ready(self, count=1, timeout=PATIENCE):
        """Until `count` applications said that they are ready."""
        def done():
            return (len(self.grep(READY)) >= count
                    or self.process.poll() is not None)
        if not self.pipe.wait(done, timeout) or self.process.returncode:
            raise StartError(f"not ready, exit code {self.process.poll()}:\n"
                             + "\n".join(self.log))
        self.settle()

    def settle(self):
        """Take what is now for what should be at the end."""
        self.fds_before = procs.descriptors(self.pid)
        self.family = self.census()

    # Its processes.

    def children(self):
        return [p for p in procs.children(self.pid) if not procs.is_zombie(p)]

    def titled(self, start):
        return [p for p in self.children()
                if procs.title(p).startswith(start)]

    def workers(self, app=""):
        return self.titled(f"saola: worker {app}")

    def templates(self, app=""):
        return self.titled(f"saola: template {app}")

    def census(self):
        return sorted(procs.title(p) for p in self.children())

    def signal(self, number, pid=None):
        os.kill(pid or self.pid, number)

    def wait_exit(self, timeout=PATIENCE):
        """The exit code, when it has ended; negative: killed by a signal."""
        code = self.wait_end(timeout)
        for pipe in self.pipe, self.out:
            pipe.thread.join(2)
        return code

    def wait_end(self, timeout=PATIENCE):
        """The same, though others may still write to its log."""
        if self.process.returncode is None:
            fd = os.pidfd_open(self.pid)
            try:
                ended = select.select([fd], [], [], timeout)[0]
            finally:
                os.close(fd)
            assert ended, f"still running after {timeout} s"
        return self.process.wait()

    def follow(self, pid, timeout=PATIENCE):
        """The process that took over is the server now; the exit code of the
        one before it."""
        code = self.wait_end(timeout)
        self.process = procs.Adopted(pid)
        self.pid = pid
        self.settle()
        return code

    def stop(self, number=SIGTERM, timeout=PATIENCE):
        """Signal, and the exit code."""
        if self.process.poll() is None:
            self.signal(number)
        return self.wait_exit(timeout)

    # Talking to it.

    def client(self, protocol, timeout=PATIENCE):
        return PROTOCOLS[protocol](self.address, timeout)

    def ctl(self, *words, timeout=60):
        """saolactl to its control socket: the finished process."""
        return subprocess.run([CTL, "-s", self.control, *map(str, words)],
                              text=True, timeout=timeout, check=False,
                              capture_output=True, stdin=subprocess.DEVNULL)

    @property
    def control(self):
        """The path of its control socket, as its log has it."""
        lines = self.grep(r"control socket unix:")
        return lines[-1].rpartition(" unix:")[2] if lines else None

    # What must hold.

    def expect_log(self, pattern):
        """Announce a crit line that the invariants would object to."""
        self.expected.append(pattern)

    def forgive(self, *what):
        """Leave invariants out, with the reason in the test: "family" (the
        test changes the processes), "descriptors", "files"."""
        self.forgiven.update(what)

    def files(self):
        return sorted(str(p.relative_to(self.dir))
                      for p in self.dir.rglob("*"))

    def check_log(self):
        for line in self.log[self.checked:]:
            if any(re.search(p, line) for p in self.expected):
                continue
            assert not CRIT.search(line), f"crit line: {line}"
            assert not SANITIZER.search(line), f"sanitizer line: {line}"
        self.checked = len(self.log)

    def check_alive(self):
        """The invariants of a server that runs."""
        self.check_log()
        if "family" not in self.forgiven:
            assert self.pipe.wait(lambda: self.census() == self.family, 10), (
                f"processes are {self.census()}, were {self.family}")
        assert self.pipe.wait(lambda: not any(
            procs.is_zombie(p) for p in procs.children(self.pid)), 10), (
                "a zombie is left")
        if "descriptors" not in self.forgiven:
            assert self.pipe.wait(
                lambda: len(procs.descriptors(self.pid))
                <= len(self.fds_before), 10), (
                    f"the master's descriptors are "
                    f"{procs.descriptors(self.pid)}, were {self.fds_before}")

    def check_stopped(self):
        """The invariants of what a server leaves: nothing."""
        self.check_log()
        if "files" not in self.forgiven:
            left = set(self.files()) - set(self.files_before)
            assert not left, f"files left behind: {sorted(left)}"

    def finish(self):
        """Stop, by force if need be, and check."""
        alive = self.process.poll() is None
        if alive and hasattr(self, "family"):
            self.check_alive()
        code = self.stop() if alive else self.wait_exit()
        if alive:
            assert code == 0, f"exit code {code} after TERM"
        self.check_stopped()

    def kill(self):
        """Whatever the test left of it."""
        tree, found = [self.pid], [self.pid]
        while found:
            found = [c for p in found for c in procs.children(p)]
            tree += found
        for pid in tree:
            try:
                os.kill(pid, SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def parse_address(text):
    """--bind's words to what a client connects to."""
    if text.startswith("unix:"):
        return text[5:]
    if text.startswith("fd:"):
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

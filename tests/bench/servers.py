# SPDX-License-Identifier: MIT
"""The servers that are compared: how each is found, started and stopped."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import procfs

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = os.path.join(HERE, "apps")
DEBIAN_PYTHON = "/usr/bin/python3"

# What to install where a peer is missing.
PACKAGES = {
    "uwsgi": "uwsgi-core uwsgi-plugin-python3",
    "gunicorn": "gunicorn",
    "nginx": "nginx-light",
    "valgrind": "valgrind",
    "strace": "strace",
}

NGINX_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 1000000;
    upstream app {{
        server unix:{upstream};
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            {passing}
        }}
    }}
}}
"""

NGINX_PASSING = {
    "fcgi": "include /etc/nginx/fastcgi.conf; fastcgi_pass app;",
    "fcgi kept": "include /etc/nginx/fastcgi.conf; fastcgi_pass app;"
                 " fastcgi_keep_conn on;",
    "uwsgi": "include /etc/nginx/uwsgi_params; uwsgi_pass app;",
    "http": "proxy_set_header Host $host; proxy_pass http://app;",
}


class Pins:
    """One core for the servers, another for all that measures them."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.server = {cores[0]}
        self.client = {cores[1 % len(cores)]}
        os.sched_setaffinity(0, self.client)

    def popen(self, argv, **kwargs):
        """Start a process on the servers' core, which it inherits."""
        os.sched_setaffinity(0, self.server)
        try:
            return subprocess.Popen(argv, **kwargs)
        finally:
            os.sched_setaffinity(0, self.client)


class Server:
    """A process (tree) that listens on an address; a context manager."""

    def __init__(self, pins, name, argv, address, rundir, env=None):
        self.pins = pins
        self.name = name
        self.argv = argv
        self.address = address
        self.log = os.path.join(rundir, name.replace(" ", "-") + ".log")
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.behind = None      # of nginx: the server it passes to

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = self.pins.popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.env, start_new_session=True)
        return self

    def __exit__(self, *exc):
        pids = procfs.tree(self.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def log_tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-800:]


class Shop:
    """Makes servers by name."""

    def __init__(self, pins, saola, build, rundir):
        self.pins = pins
        self.rundir = rundir
        self.count = 0
        found = {
            "saola": saola,
            "floor": os.path.join(build, "floor"),
            "fcgx": os.path.join(build, "fcgx"),
            "uwsgi": shutil.which("uwsgi-core") or shutil.which("uwsgi"),
            # Debian's, under Debian's Python, whatever else is on PATH.
            "gunicorn": "/usr/bin/gunicorn",
            "nginx": shutil.which("nginx", path="/usr/sbin:/usr/bin"),
            "valgrind": shutil.which("valgrind"),
            "strace": shutil.which("strace"),
        }
        self.program = {
            name: path for name, path in found.items()
            if path is not None and os.path.exists(path)}
        self.missing = sorted(set(found) - set(self.program))

    def has(self, *names):
        return all(name in self.program for name in names)

    def _server(self, name, argv, address, env=None):
        return Server(self.pins, name, argv, address, self.rundir, env)

    def _socket(self):
        self.count += 1
        return os.path.join(self.rundir, f"{self.count}.sock")

    def make(self, kind, app, workers=1, options=(), prefix=(), env=None):
        """kind is a program, for uWSGI with its protocol behind a blank."""
        path = self._socket()
        argv = self._argv(kind, app, path, str(workers))
        return self._server(f"{self.count} {kind}",
                            [*prefix, *argv, *options], "unix:" + path, env)

    def _argv(self, kind, app, path, workers):
        program, _, protocol = kind.partition(" ")
        argv = [self.program[program]]
        if program in ("floor", "fcgx"):
            return argv + [path]
        if program == "saola":
            return argv + ["-b", "unix:" + path, "-w", workers, "-k", "sync",
                           "--chdir", APPS, app + ":application"]
        if program == "gunicorn":
            return [DEBIAN_PYTHON, *argv, "-b", "unix:" + path, "-w", workers,
                    "-k", "sync", "--backlog", "1024",
                    "--worker-tmp-dir", "/dev/shm", "--log-level", "warning",
                    "--chdir", APPS, app + ":application"]
        option = "--fastcgi-socket" if protocol == "fcgi" else "--uwsgi-socket"
        return argv + [
            "--plugins-dir", "/usr/lib/uwsgi/plugins", "--plugin", "python3",
            option, path, "--listen", "1024", "--master", "--processes",
            workers, "--disable-logging", "--die-on-term", "--need-app",
            "--single-interpreter", "--no-orphans", "--chdir", APPS,
            "--module", app + ":application"]

    def nginx(self, upstream, passing):
        """An nginx in front of a server, speaking to it as passing says."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.count += 1
        name = f"{self.count} nginx"
        rundir = os.path.join(self.rundir, f"nginx-{self.count}")
        os.mkdir(rundir)
        conf = os.path.join(rundir, "nginx.conf")
        with open(conf, "w") as f:
            f.write(NGINX_CONF.format(
                dir=rundir, port=port, passing=NGINX_PASSING[passing],
                upstream=upstream.address.removeprefix("unix:"),
                keepalive="keepalive 64;" if "kept" in passing else "",
                user="user root;" if os.getuid() == 0 else ""))
        argv = [self.program["nginx"], "-p", rundir, "-c", conf,
                "-e", os.path.join(rundir, "nginx.log")]
        front = self._server(name, argv, f"127.0.0.1:{port}")
        front.behind = upstream
        return front

# SPDX-License-Identifier: MIT
"""What the process is that answers, as JSON."""

import json
import os
import signal
import subprocess
import sys

FORKS = []
os.register_at_fork(before=lambda: FORKS.append("before"),
                    after_in_parent=lambda: FORKS.append("parent"),
                    after_in_child=lambda: FORKS.append("child"))
PID = os.getpid()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def facts():
    with open("/proc/self/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f if ":" in line)
    return {
        "pid": os.getpid(), "ppid": os.getppid(), "import_pid": PID,
        "uid": os.getresuid(), "gid": os.getresgid(),
        "groups": os.getgroups(), "umask": umask(), "cwd": os.getcwd(),
        "env": dict(os.environ), "path": sys.path, "forks": FORKS,
        "blocked": int(status["SigBlk"], 16),
        "no_new_privs": int(status["NoNewPrivs"]),
        "fds": sorted(int(n) for n in os.listdir("/proc/self/fd")),
    }


def inherited():
    """Descriptors that a program started here has, but for the first three
    and the one it lists them with."""
    out = subprocess.run(["/bin/ls", "/proc/self/fd"], close_fds=False,
                         check=True, stdout=subprocess.PIPE).stdout
    return sorted(int(n) for n in out.split() if int(n) > 3)


def child_signals():
    """Which signals a subprocess ignores or blocks, but for SIGPIPE, and for
    32 and 33: glibc keeps these, and its posix_spawn (make's) ignores them."""
    out = subprocess.run(["/bin/cat", "/proc/self/status"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    status = dict(line.split(":", 1) for line in out.splitlines())
    ours = ~sum(1 << number - 1 for number in (signal.SIGPIPE, 32, 33))
    return [int(status["SigIgn"], 16) & ours, int(status["SigBlk"], 16) & ours]


def application(environ, start_response):
    answer = {"": facts, "inherited": inherited,
              "signals": child_signals}[environ["QUERY_STRING"]]()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]

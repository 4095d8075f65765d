# SPDX-License-Identifier: MIT
"""What the kernel says about processes."""

import ctypes
import os
import select
import signal
import subprocess

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans of the servers become ours, so none can escape a test."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Adopted:
    """A child that somebody else started and left to us, as a Popen."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        return self.reap(os.WNOHANG)

    def reap(self, options):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        fd = os.pidfd_open(self.pid) if self.returncode is None else None
        if fd is not None:
            ended = select.select([fd], [], [], timeout)[0]
            os.close(fd)
            if not ended:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.reap(0)

    def kill(self):
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def stat(pid):
    """(state, parent) of a process, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def children(pid):
    """Process ids of all children, zombies included, sorted."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            info = stat(name)
            if info is not None and info[1] == pid:
                found.append(int(name))
    return sorted(found)


def is_zombie(pid):
    info = stat(pid)
    return info is not None and info[0] == "Z"


def is_gone(pid):
    return stat(pid) is None


def title(pid):
    """The command line as ps shows it; '' for a zombie or a process gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("latin-1").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descriptors(pid):
    """Descriptor number to what it is."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass
    return found


def rss(pid):
    """Resident bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

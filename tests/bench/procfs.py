# SPDX-License-Identifier: MIT
"""What the kernel says of a server: its processes, their CPU and memory."""

import os
import time


def _parents():
    """pid -> parent pid, of every process there is."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry)] = int(fields[1])
    return parents


def tree(root):
    """The process and all that descend from it."""
    parents = _parents()
    found = [root]
    for pid in found:
        found += [child for child, up in parents.items() if up == pid]
    return found


def _tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def cpu_ns(root):
    """CPU time that the tree's threads have used, in nanoseconds.

    Exact for threads that sleep; a running one may lag by a tick.
    """
    total = 0
    for pid in tree(root):
        for tid in _tasks(pid):
            try:
                with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:
                continue
    return total


def pss_kb(root):
    """(processes, PSS, its anonymous part) of the tree, in KB."""
    pids = tree(root)
    sums = {"Pss:": 0, "Pss_Anon:": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                name, _, rest = line.partition(" ")
                if name in sums:
                    sums[name] += int(rest.split()[0])
    return len(pids), sums["Pss:"], sums["Pss_Anon:"]


def settle(root, quiet=0.3, limit=20):
    """Return once the tree has used next to no CPU for a while."""
    until = time.monotonic() + limit
    used, since = cpu_ns(root), time.monotonic()
    while time.monotonic() - since < quiet:
        if time.monotonic() > until:
            raise TimeoutError(f"process {root} does not come to rest")
        time.sleep(0.05)
        now = cpu_ns(root)
        if now - used > 1_000_000:
            used, since = now, time.monotonic()

# SPDX-License-Identifier: MIT
"""The house rules that a script can see: includes point down, Python.h and
event2 stay where they belong, lines fit the page."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FLOOR = {
    "proto": 0, "base": 1, "conf": 2, "os": 2, "state": 3, "event": 3,
    "req": 4, "python": 5, "worker": 6, "master": 7, "ctl": 7,
}
BESIDE = {"base", "conf", "os", "ctl"}      # what saolactl is made of
EVENT = {"event", "worker", "master"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def room(path):
    """The folder a file belongs to, None for src/main.c."""
    return path.parent.name if path.parent.name in FLOOR else None


def check(path):
    here = room(path)
    names = set()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(TOP)}:{number}"
        if len(line.expandtabs(8)) > 100 and path.suffix != ".def":
            yield f"{where}: line of {len(line.expandtabs(8))} columns"
        found = INCLUDE.match(line)
        if not found:
            continue
        kind, name = found.groups()
        names.add(name)
        if name == "Python.h" and here != "python":
            yield f"{where}: Python.h outside src/python"
        if name.startswith("event2/") and here not in EVENT:
            yield f"{where}: {name} outside event, worker, master"
        if kind == "<" or here is None:
            continue
        there = name.split("/")[0] if "/" in name else None
        if there not in FLOOR:
            yield f"{where}: {name} does not name its folder"
        elif FLOOR[there] >= FLOOR[here] and there != here:
            yield f"{where}: {here} includes {name}, which is not below it"
        if here == "ctl" and there not in BESIDE:
            yield f"{where}: saolactl has no part of the server"
        if here == "master" and there == "python":
            yield f"{where}: the master never runs Python"
    if "Python.h" in names and any(n.startswith("event2/") for n in names):
        yield f"{path.relative_to(TOP)}: Python.h and event2 in one file"


def main():
    files = [p for d in ("proto", "src") for p in (TOP / d).rglob("*.[ch]")]
    bad = [text for path in sorted(files) for text in check(path)]
    print("\n".join(bad) if bad else f"lint: {len(files)} files, no finding")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""The documents made from the settings table: --write makes them, else they are
compared with what ./saola says now."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FILES = {"man": "deploy/saola.8", "conf": "deploy/saola.conf.example"}
TABLE = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.S)


def made(which):
    return subprocess.run([TOP / "saola", "--doc", which], check=True,
                          capture_output=True, text=True).stdout


def main():
    wanted = {TOP / name: made(which) for which, name in FILES.items()}
    readme = TOP / "README.md"
    table = made("readme")
    wanted[readme] = TABLE.sub(lambda m: m[1] + table + m[2],
                               readme.read_text())
    stale = [path for path, text in wanted.items()
             if not path.exists() or path.read_text() != text]
    if "--write" in sys.argv:
        for path in stale:
            path.write_text(wanted[path])
        return 0
    for path in stale:
        print(f"{path.relative_to(TOP)}: not what the settings say; make docs")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

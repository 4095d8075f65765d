#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare saola with its peers on this machine: `make bench`.

    bench.py [--quick] [--saola PATH] [--build DIR] [section...]

Servers run on one core, the load generator (load.c) on another.  A section
measures its lanes in interleaved rounds (A B C A B C ...), so that what the
machine does meanwhile falls on all of them; a figure is the median of the
rounds, a ratio the median of the rounds' ratios.  CPU is what the kernel's
scheduler charged to the server's processes, master included.  Every answer is
checked by the generator, and a wrong one fails the lane.

    hello         the smallest application, all protocols, 64 connections;
                  floor.c answers without Python, fcgx.c is libfcgi in C
    django        the same with a Django project
    upload        1 MB posted and echoed
    stream        100 pieces of 1 KB
    big           a response of 100 KB
    nginx         requests/s through nginx, which shares the server's core;
                  CPU is that of both
    instructions  user-space instructions per request (callgrind)
    syscalls      system calls per request (strace), one connection
    memory        PSS of the process tree with 2 workers and Django, at rest
                  before and after requests
    start         from exec to the first answer

PSS shares a page among all who map it: other processes of the same Python
make a server look smaller, so let nothing else run.  The table of targets
follows the sections; the figures are also in bench.json under the build
directory.  Exit status 1 says that a lane failed, not that a target was
missed.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from contextlib import ExitStack

import procfs
import servers

ROOT = os.path.dirname(os.path.dirname(servers.HERE))

UPLOAD = 1024 * 1024

# One thing to measure: a server made by Shop.make(), and how load speaks.
Lane = namedtuple("Lane", "name kind load")

# A figure (section, lane) that should be at most (or at least) so much, by
# itself or as a multiple of that of another lane.
Target = namedtuple("Target", "text section lane against limit at_least",
                    defaults=(False,))

FCGI, KEPT, UWSGI, HTTP = (
    ("-p", "fcgi"), ("-p", "fcgi", "-k"), ("-p", "uwsgi"), ("-p", "http"))

SAOLA_LANES = [
    Lane("saola fcgi kept", "saola", KEPT),
    Lane("saola fcgi", "saola", FCGI),
    Lane("saola uwsgi", "saola", UWSGI),
]
UWSGI_LANES = [
    Lane("uWSGI fcgi", "uwsgi fcgi", FCGI),
    Lane("uWSGI uwsgi", "uwsgi uwsgi", UWSGI),
]
GUNICORN_LANES = [Lane("gunicorn http", "gunicorn", HTTP)]
APP_LANES = SAOLA_LANES + UWSGI_LANES + GUNICORN_LANES
FLOOR_LANES = [
    Lane("floor fcgi kept", "floor", KEPT),
    Lane("floor fcgi", "floor", FCGI),
    Lane("floor uwsgi", "floor", UWSGI),
]
FCGX_LANES = [Lane("libfcgi in C", "fcgx", FCGI)]

MEMORY_CASES = [
    ("saola", "saola", []),
    ("saola --preload", "saola", ["--preload"]),
    ("uWSGI --lazy-apps", "uwsgi uwsgi", ["--lazy-apps"]),
    ("uWSGI", "uwsgi uwsgi", []),
    ("gunicorn", "gunicorn", []),
    ("gunicorn --preload", "gunicorn", ["--preload"]),
]

TARGETS = [
    Target("FastCGI kept / uWSGI FastCGI", "hello", "saola fcgi kept",
           "uWSGI fcgi", 0.30),
    Target("FastCGI kept / floor kept", "hello", "saola fcgi kept",
           "floor fcgi kept", 1.5),
    Target("FastCGI / uWSGI FastCGI", "hello", "saola fcgi",
           "uWSGI fcgi", 0.55),
    Target("FastCGI / floor", "hello", "saola fcgi", "floor fcgi", 1.2),
    Target("uwsgi / uWSGI uwsgi", "hello", "saola uwsgi",
           "uWSGI uwsgi", 0.85),
    Target("nginx, kept / uWSGI by uwsgi_pass, req/s", "nginx",
           "saola fcgi kept", "uWSGI uwsgi", 1.8, True),
    Target("instructions, FastCGI", "instructions", "saola fcgi",
           None, 20000),
    Target("instructions, FastCGI kept", "instructions", "saola fcgi kept",
           None, 20000),
    Target("instructions, uwsgi", "instructions", "saola uwsgi",
           None, 20000),
    Target("system calls, FastCGI", "syscalls", "saola fcgi", None, 4),
    Target("system calls, FastCGI kept", "syscalls", "saola fcgi kept",
           None, 3),
    Target("system calls, uwsgi", "syscalls", "saola uwsgi", None, 4),
    Target("1 MB upload, FastCGI / uWSGI FastCGI", "upload", "saola fcgi",
           "uWSGI fcgi", 0.25),
    Target("1 MB upload, uwsgi / uWSGI uwsgi", "upload", "saola uwsgi",
           "uWSGI uwsgi", 0.25),
    Target("100 x 1 KB, FastCGI / uWSGI FastCGI", "stream", "saola fcgi",
           "uWSGI fcgi", 0.5),
    Target("100 KB, FastCGI / uWSGI FastCGI", "big", "saola fcgi",
           "uWSGI fcgi", 0.7),
    *(Target(f"PSS {when}, {ours or 'no preload'} / {theirs}", "memory",
             f"saola {ours} {when}".replace("  ", " "), f"{theirs} {when}",
             limit)
      for when in ("idle", "after requests")
      for ours, theirs, limit in (
          ("--preload", "uWSGI", 0.9),
          ("--preload", "gunicorn --preload", 0.9),
          ("", "uWSGI --lazy-apps", 0.95),
          ("", "gunicorn", 0.9))),
    Target("start, hello / uWSGI", "start", "saola hello",
           "uWSGI hello", 1.1),
    Target("start, Django / uWSGI", "start", "saola django",
           "uWSGI django", 1.1),
]


class Failure(Exception):
    """A lane gave no figure."""


class Bench:
    def __init__(self, options, rundir):
        self.quick = options.quick
        self.rounds = 3 if options.quick else 5
        self.seconds = 0.3 if options.quick else 1.0
        self.rundir = rundir
        self.pins = servers.Pins()
        build = os.path.join(options.build, "bench")
        self.load_path = os.path.join(build, "load")
        self.shop = servers.Shop(self.pins, options.saola, build, rundir)
        self.figures = {}       # (section, lane) -> one value a round
        self.details = {}       # the same -> what load reported
        self.failed = []

    def note(self, section, lane, value, detail=None):
        self.figures.setdefault((section, lane), []).append(value)
        if detail is not None:
            self.details.setdefault((section, lane), []).append(detail)

    def fail(self, section, lane, why):
        self.failed.append(f"{section}, {lane}: {why}")
        print(f"FAILED {self.failed[-1]}", file=sys.stderr)

    def load(self, server, *arguments):
        """One run of the generator; its report as a dict."""
        done = subprocess.run(
            [self.load_path, "-w", "20", *map(str, arguments),
             server.address], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{done.stderr.strip()}\n{server.log_tail()}")
        return json.loads(done.stdout)

    def lanes(self, lanes):
        """Those of the lanes whose program is there."""
        return [lane for lane in lanes
                if self.shop.has(lane.kind.split()[0])]

    # Lanes that run side by side, one measured at a time.

    def start_lanes(self, stack, section, app, lanes):
        """lane -> server, each warm; lanes of one kind share theirs."""
        running, ready = {}, {}
        for lane in lanes:
            if lane.kind not in running:
                running[lane.kind] = stack.enter_context(
                    self.shop.make(lane.kind, app))
            ready[lane] = running[lane.kind]
        return ready

    def interleave(self, section, ready, check, unit, measure):
        """Warm every lane up, then measure them in rounds."""
        lanes = list(ready)
        for number in range(-1, self.rounds):
            for lane in list(lanes):
                try:
                    value, report = measure(lane, ready[lane], check)
                except Failure as failure:
                    self.fail(section, lane.name, failure)
                    lanes.remove(lane)
                    continue
                if number >= 0:
                    self.note(section, lane.name, value, report)
        self.print_section(section, unit)

    def cpu_per_request(self, lane, server, check):
        before = procfs.cpu_ns(server.pid)
        report = self.load(server, *lane.load, *check, "-t", self.seconds)
        used = procfs.cpu_ns(server.pid) - before
        # The generator's probe is a request too.
        return used / 1000 / (report["requests"] + 1), report

    def compare(self, section, app, lanes, *check):
        with ExitStack() as stack:
            ready = self.start_lanes(stack, section, app, self.lanes(lanes))
            self.interleave(section, ready, check,
                            "CPU us/request", self.cpu_per_request)

    # Sections.

    def run_hello(self):
        self.compare("hello", "hello", SAOLA_LANES + FLOOR_LANES +
                     UWSGI_LANES + FCGX_LANES + GUNICORN_LANES,
                     "-l", 14, "-m", "Hello")

    def run_django(self):
        self.compare("django", "djangohello", APP_LANES,
                     "-l", 14, "-m", "Hello")

    def run_upload(self):
        self.compare("upload", "echo", APP_LANES,
                     "-b", UPLOAD, "-e", "-c", 8)

    def run_stream(self):
        self.compare("stream", "stream", APP_LANES,
                     "-l", 102400, "-m", "saola")

    def run_big(self):
        self.compare("big", "big", APP_LANES, "-l", 102400, "-m", "0123")

    def run_nginx(self):
        if not self.shop.has("nginx"):
            return
        with ExitStack() as stack:
            lanes = self.lanes(APP_LANES + FLOOR_LANES)
            behind = self.start_lanes(stack, "nginx", "hello", lanes)
            ready = {}
            for lane, server in behind.items():
                try:
                    # nginx answers 502 for a server that is not up yet.
                    self.load(server, *lane.load, "-n", 0)
                except Failure as failure:
                    self.fail("nginx", lane.name, failure)
                    continue
                passing = lane.name.partition(" ")[2]
                ready[lane] = stack.enter_context(
                    self.shop.nginx(server, passing))
            self.interleave("nginx", ready, ["-l", 14, "-m", "Hello"],
                            "requests/s", self.rate)

    def rate(self, lane, nginx, check):
        """Beside requests/s the CPU of both, which other load disturbs less."""
        pids = nginx.pid, nginx.behind.pid
        before = sum(map(procfs.cpu_ns, pids))
        report = self.load(nginx, "-p", "http", "-k", *check,
                           "-t", self.seconds)
        used = sum(map(procfs.cpu_ns, pids)) - before
        report["cpu_us"] = used / 1000 / (report["requests"] + 1)
        return report["rps"], report

    def run_instructions(self):
        if not self.shop.has("valgrind"):
            return
        for lane in self.lanes(SAOLA_LANES + FLOOR_LANES + UWSGI_LANES):
            few, many = 500, 500 + (1000 if self.quick else 3000)
            try:
                cost = (self.instructions(lane, many) -
                        self.instructions(lane, few)) / (many - few)
            except Failure as failure:
                self.fail("instructions", lane.name, failure)
                continue
            self.note("instructions", lane.name, cost)
        self.print_section("instructions", "per request")

    def instructions(self, lane, requests):
        """Of the server's whole life; what is not requests cancels out."""
        outdir = tempfile.mkdtemp(dir=self.rundir)
        prefix = [self.shop.program["valgrind"], "-q", "--tool=callgrind",
                  "--trace-children=yes",
                  f"--callgrind-out-file={outdir}/%p"]
        server = self.shop.make(lane.kind, "hello", prefix=prefix,
                                env={"PYTHONHASHSEED": "0"})
        with server:
            self.load(server, *lane.load, "-w", 60, "-n", requests)
            processes = procfs.tree(server.pid)
        total = 0
        for name in map(str, processes):
            if not os.path.exists(os.path.join(outdir, name)):
                raise Failure(f"process {name} ended without its counts\n"
                              + server.log_tail())
            with open(os.path.join(outdir, name)) as f:
                total += sum(int(line.split()[1]) for line in f
                             if line.startswith("totals:"))
        return total

    def run_syscalls(self):
        if not self.shop.has("strace"):
            return
        for lane in self.lanes(SAOLA_LANES + FLOOR_LANES + UWSGI_LANES):
            with self.shop.make(lane.kind, "hello") as server:
                try:
                    calls, names = self.syscalls(lane, server, 5000)
                except Failure as failure:
                    self.fail("syscalls", lane.name, failure)
                    continue
            self.note("syscalls", lane.name, calls, names)
        self.print_section("syscalls", "per request")

    def syscalls(self, lane, server, requests):
        """(calls per request, which), over one connection at a time."""
        self.load(server, *lane.load, "-n", 1)
        out = os.path.join(self.rundir, "strace.out")
        pids = procfs.tree(server.pid)
        strace = subprocess.Popen(
            [self.shop.program["strace"], "-f", "-c", "-U", "name,calls",
             "-o", out, *(f"-p{pid}" for pid in pids)],
            stderr=subprocess.PIPE, text=True)
        attached = 0
        while attached < len(pids):
            line = strace.stderr.readline()
            if line == "":
                raise Failure("strace does not attach")
            attached += "attached" in line
        self.load(server, *lane.load, "-c", 1, "-n", requests)
        strace.send_signal(signal.SIGINT)
        strace.communicate()
        with open(out) as f:
            rows = re.findall(r"^(\w+) +(\d+)", f.read(), re.M)
        counts = {name: round(int(calls) / (requests + 1), 2)
                  for name, calls in rows if name != "total"}
        counts = {name: calls for name, calls in counts.items() if calls > 0}
        return round(sum(counts.values()), 1), counts

    def run_memory(self):
        requests = 2000 if self.quick else 10000
        for name, kind, options in MEMORY_CASES:
            if not self.shop.has(kind.split()[0]):
                continue
            load = HTTP if kind == "gunicorn" else UWSGI
            server = self.shop.make(kind, "djangohello", 2, options)
            with server:
                try:
                    self.memory(name, server, load, requests)
                except (Failure, TimeoutError) as failure:
                    self.fail("memory", name, failure)
        self.print_section("memory", "PSS MB")

    def memory(self, name, server, load, requests):
        self.wait_socket(server)
        self.note_pss(f"{name} idle", server)
        self.load(server, *load, "-c", 16, "-n", requests,
                  "-l", 14, "-m", "Hello")
        self.note_pss(f"{name} after requests", server)

    def wait_socket(self, server):
        path = server.address.removeprefix("unix:")
        until = time.monotonic() + 20
        while not os.path.exists(path):
            if time.monotonic() > until:
                raise Failure(f"no socket\n{server.log_tail()}")
            time.sleep(0.01)

    def note_pss(self, name, server):
        procfs.settle(server.pid)
        processes, pss, anon = procfs.pss_kb(server.pid)
        self.note("memory", name, pss / 1024,
                  {"processes": processes, "anonymous MB": anon / 1024})

    def run_start(self):
        kinds = [("saola", "saola", UWSGI), ("uWSGI", "uwsgi uwsgi", UWSGI),
                 ("gunicorn", "gunicorn", HTTP)]
        for _ in range(1 + self.rounds):
            for name, kind, load in kinds:
                if not self.shop.has(kind.split()[0]):
                    continue
                for label, app in (("hello", "hello"),
                                   ("django", "djangohello")):
                    try:
                        took = self.start_time(kind, app, load)
                    except Failure as failure:
                        self.fail("start", f"{name} {label}", failure)
                        continue
                    self.note("start", f"{name} {label}", took)
        self.drop_first("start")
        self.print_section("start", "ms to the first answer")

    def start_time(self, kind, app, load):
        """The generator is there first, and waits."""
        server = self.shop.make(kind, app)
        waiting = subprocess.Popen(
            [self.load_path, *load, "-w", "20", "-n", "0", "-l", "14",
             server.address], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        began = time.monotonic()
        with server:
            out, err = waiting.communicate()
        if waiting.returncode != 0:
            raise Failure(f"{err.strip()}\n{server.log_tail()}")
        return (json.loads(out)["first"] - began) * 1000

    def drop_first(self, section):
        """Forget the round that read the files from the disk."""
        for (where, _), values in self.figures.items():
            if where == section:
                del values[0]

    # Report.

    def print_section(self, section, unit):
        print(f"\n{section}: {unit}")
        for (where, lane), values in self.figures.items():
            if where == section:
                print(f"  {lane:32} {number(statistics.median(values)):>9}"
                      f"   {number(min(values)):>9} .. "
                      f"{number(max(values)):<9}"
                      f"{self.ratios(section, lane)}"
                      f"{self.remarks(section, lane)}")
        sys.stdout.flush()

    def ratio(self, section, lane, against):
        """The median of the rounds' ratios, or None."""
        ours = self.figures.get((section, lane))
        theirs = self.figures.get((section, against))
        if ours is None or theirs is None:
            return None
        return statistics.median(a / b for a, b in zip(ours, theirs))

    def ratios(self, section, lane):
        """How one of our lanes stands to its peer and to the floor."""
        ours, _, protocol = lane.partition(" ")
        if ours != "saola" or section == "memory":
            return ""
        found = [(peer, self.ratio(section, lane, f"{peer} {name}"))
                 for peer, name in (("uWSGI", protocol.removesuffix(" kept")),
                                    ("floor", protocol))]
        return "".join(f" {number(value)} x {peer} "
                       for peer, value in found if value is not None)

    def remarks(self, section, lane):
        details = self.details.get((section, lane))
        if not details:
            return ""
        if "rps" not in details[0]:
            return " " + ", ".join(f"{name} {number(value)}" for name, value
                                   in details[0].items())

        def median(key):
            return statistics.median(detail[key] for detail in details)
        retries = sum(detail["retries"] for detail in details)
        return (f" {median('rps'):>8.0f}/s  p50 {median('p50_us'):.0f}"
                f"  p99 {median('p99_us'):.0f}  max {median('max_us'):.0f} us"
                + (f"  CPU {median('cpu_us'):.1f} us"
                   if "cpu_us" in details[0] else "")
                + (f"  {retries} retries" if retries else ""))

    def judge(self, target):
        """(value, verdict), the value None where a figure is missing."""
        if target.against is None:
            values = self.figures.get((target.section, target.lane))
            value = None if values is None else statistics.median(values)
        else:
            value = self.ratio(target.section, target.lane, target.against)
        if value is None:
            return None, "no figure"
        met = (value >= target.limit if target.at_least
               else value <= target.limit)
        return value, "ok" if met else "MISSED"

    def print_targets(self, sections):
        verdicts = []
        print("\ntargets")
        for target in TARGETS:
            if target.section not in sections:
                continue
            sign = ">=" if target.at_least else "<="
            value, verdict = self.judge(target)
            shown = "-" if value is None else number(value)
            print(f"  {target.text:51} {shown:>8}  {sign} "
                  f"{target.limit:<6} {verdict}")
            verdicts.append({"target": target.text, "value": value,
                             "limit": target.limit, "verdict": verdict})
        return verdicts


def number(value):
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def save(bench, verdicts, path):
    figures = [
        {"section": section, "lane": lane,
         "median": statistics.median(values), "rounds": values,
         "details": bench.details.get((section, lane), [])}
        for (section, lane), values in bench.figures.items()]
    with open(path, "w") as f:
        json.dump({"figures": figures, "targets": verdicts,
                   "missing": bench.shop.missing, "failed": bench.failed},
                  f, indent=1)
        f.write("\n")
    print(f"\nfigures: {path}")


def sections():
    return [name.removeprefix("run_") for name in vars(Bench)
            if name.startswith("run_")]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="3 short rounds: a look, not a figure to quote")
    parser.add_argument("--saola", default=os.path.join(ROOT, "saola"))
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("section", nargs="*",
                        help="all of them by default")
    options = parser.parse_args()
    for name in options.section:
        if name not in sections():
            parser.error(f"no section {name}; there are: "
                         + ", ".join(sections()))
    options.saola = os.path.abspath(options.saola)
    options.build = os.path.abspath(options.build)
    return options


def main():
    options = parse_arguments()
    rundir = tempfile.mkdtemp(prefix="saola-bench-")
    os.chmod(rundir, 0o711)     # or saola warns of what a proxy cannot enter
    try:
        bench = Bench(options, rundir)
        for name in bench.shop.missing:
            package = servers.PACKAGES.get(name)
            print(f"missing: {name}, so its rows are left out"
                  + (f" (apt install {package})" if package else ""))
        print(f"load average {os.getloadavg()[0]:.2f}: "
              "figures are as quiet as the machine")
        chosen = [name for name in sections()
                  if not options.section or name in options.section]
        for name in chosen:
            getattr(bench, "run_" + name)()
        verdicts = bench.print_targets(chosen)
        save(bench, verdicts, os.path.join(options.build, "bench.json"))
    finally:
        shutil.rmtree(rundir)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())

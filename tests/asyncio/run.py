#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""CPython's own suites for selectors and asyncio, on saola's selector.

run.py BUILD [MODULE ...]: BUILD holds saola_selector.so; MODULE is test_same,
which is our own, test_selectors, or a file of test.test_asyncio; without one,
all of them. Debian has CPython's tests in libpython3.11-testsuite. Asyncio is the stock one: what it takes for its
default selector, and for epoll's, is ours. No test is waived: what is skipped,
CPython's suite skips by itself.
"""

import importlib
import os
import pkgutil
import selectors
import sys
import time
import unittest


class Result(unittest.TextTestResult):
    """Counts what passed."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def replace(selector):
    """Let whoever asks for the default selector, or for epoll's, get ours."""
    selectors.DefaultSelector = selectors.EpollSelector = selector


def selector_cases(selector):
    """test_selectors with one more class: ours."""
    module = importlib.import_module("test.test_selectors")
    case = type("SaolaSelectorTestCase",
                (module.BaseSelectorTestCase, module.ScalableSelectorMixIn,
                 unittest.TestCase),
                {"SELECTOR": selector, "__module__": module.__name__})
    return unittest.defaultTestLoader.loadTestsFromTestCase(case)


def asyncio_modules():
    package = importlib.import_module("test.test_asyncio")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__)
                  if m.name.startswith("test_"))


def load(name, selector):
    """A module's tests, none where it is for another system."""
    try:
        if name == "test_same":
            return unittest.defaultTestLoader.loadTestsFromName(name)
        if name == "test_selectors":
            return selector_cases(selector)
        return unittest.defaultTestLoader.loadTestsFromName(
            f"test.test_asyncio.{name}")
    except unittest.SkipTest:
        return unittest.TestSuite()


def run(name, selector):
    start = time.monotonic()
    with open(os.devnull, "w") as nowhere:
        runner = unittest.TextTestRunner(stream=nowhere, resultclass=Result)
        result = runner.run(load(name, selector))
    bad = result.failures + result.errors
    bad += [(test, "unexpected success")
            for test in result.unexpectedSuccesses]
    for test, text in bad:
        print(f"FAILED: {test}\n{text}")
    print(f"{name}: {result.passed} passed, {len(bad)} failed, "
          f"{len(result.skipped)} skipped, "
          f"{time.monotonic() - start:.1f} s", flush=True)
    return result.passed, len(bad), len(result.skipped)


def main(build, *names):
    sys.path.insert(0, build)
    selector = importlib.import_module("saola_selector").Selector
    replace(selector)
    names = names or ["test_same", "test_selectors", *asyncio_modules()]
    sums = [sum(column) for column in
            zip(*(run(name, selector) for name in names))]
    print("{} passed, {} failed, {} skipped".format(*sums))
    return 1 if sums[1] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

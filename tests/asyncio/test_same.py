# SPDX-License-Identifier: MIT
"""saola's selector against the stock one: same results, same errors, and what
CPython's suite does not look at."""

import gc
import os
import select
import signal
import socket
import tempfile
import threading
import time
import unittest
import weakref
from selectors import (EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey,
                       _PollLikeSelector)

from saola_selector import Selector


class Epoll(_PollLikeSelector):
    """selectors.EpollSelector, whose name the runner has given to ours."""

    _selector_cls = select.epoll
    _EVENT_READ = select.EPOLLIN
    _EVENT_WRITE = select.EPOLLOUT


class Number(int):
    """An integer of another type."""


class Odd:
    def __init__(self, value):
        self.value = value

    def fileno(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


class Same(unittest.TestCase):
    def setUp(self):
        self.rd, self.wr = socket.socketpair()
        self.addCleanup(self.rd.close)
        self.addCleanup(self.wr.close)
        self.ours = Selector()
        self.stock = Epoll()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.stock.close)

    def same(self, call):
        ours, stock = (outcome(lambda: call(s))
                       for s in (self.ours, self.stock))
        self.assertEqual(ours, stock)
        return ours

    def test_file_objects(self):
        objects = [-1, -10**30, True, Number(9999), None, "x", 1.5, [], object,
                   Odd(None), Odd("7"), Odd("x"), Odd(-3), Odd(2.0),
                   Odd(TypeError("t")), Odd(ValueError("v")),
                   Odd(AttributeError("a")), Odd(OSError(5, "o")),
                   Odd(RuntimeError("r"))]
        for thing in objects:
            for method in ("unregister", "get_key", "register", "modify"):
                args = (EVENT_READ,) if method in ("register", "modify") else ()
                with self.subTest(thing=thing, method=method):
                    self.same(lambda s: getattr(s, method)(thing, *args))
            with self.subTest(thing=thing, method="map"):
                self.same(lambda s: s.get_map()[thing])
                self.same(lambda s: s.get_map().get(thing, 5))
            for selector in (self.ours, self.stock):
                try:
                    selector.unregister(thing)
                except Exception:
                    pass

    def test_events(self):
        for events in (0, 4, 5, -1, 10**30, "x", 1.5, None, True, Number(1)):
            with self.subTest(events=events):
                got = outcome(lambda: self.ours.register(self.rd, events))
                want = outcome(lambda: self.stock.register(self.rd, events))
                if want[0] is TypeError:
                    self.assertIs(got[0], TypeError)
                else:
                    self.assertEqual(got, want)
                if isinstance(want, SelectorKey):
                    self.same(lambda s: s.unregister(self.rd))

    def test_registered_twice(self):
        for fileobj in (self.rd, self.rd, self.rd.fileno()):
            self.same(lambda s: s.register(fileobj, EVENT_READ, "data"))
        self.same(lambda s: s.get_key(self.rd.fileno()))
        self.same(lambda s: dict(s.get_map()))
        self.same(lambda s: list(s.get_map().items()))
        self.same(lambda s: self.rd in s.get_map())
        self.same(lambda s: self.wr in s.get_map())
        self.same(lambda s: len(s.get_map()))

    def test_modify(self):
        self.same(lambda s: s.modify(self.wr, EVENT_READ))
        self.same(lambda s: s.register(self.wr, EVENT_READ, "data"))
        for events in (EVENT_WRITE, 3, EVENT_READ, 0, EVENT_WRITE, 7):
            self.same(lambda s: s.modify(self.wr, events, data=events))
            self.same(lambda s: s.select(0))
        self.same(lambda s: s.modify(self.wr, 7))
        self.same(lambda s: s.select(0))

    def test_named_arguments(self):
        self.same(lambda s: s.register(fileobj=self.rd, data=1, events=2))
        self.same(lambda s: s.select(timeout=0))
        for call in (lambda s: s.register(self.rd),
                     lambda s: s.register(self.rd, 1, 2, 3),
                     lambda s: s.register(self.rd, 1, events=2),
                     lambda s: s.register(self.rd, 1, more=2),
                     lambda s: s.select(1, 2), lambda s: s.select("1")):
            self.assertIs(outcome(lambda: call(self.ours))[0], TypeError)
            self.assertIs(outcome(lambda: call(self.stock))[0], TypeError)

    def test_errors_and_hang_ups(self):
        self.same(lambda s: s.register(self.wr, EVENT_READ | EVENT_WRITE))
        self.same(lambda s: s.select(0))
        self.rd.close()
        self.same(lambda s: s.select())
        self.same(lambda s: s.modify(self.wr, EVENT_READ))
        self.same(lambda s: s.select())

    def test_regular_file(self):
        with tempfile.TemporaryFile() as file:
            self.same(lambda s: s.register(file, EVENT_READ))
            self.assertEqual(self.same(lambda s: len(s.get_map())), 0)

    def test_closed_descriptor(self):
        fd = os.dup(self.rd.fileno())
        os.close(fd)
        self.same(lambda s: s.register(fd, EVENT_READ))
        self.same(lambda s: s.register(self.rd, EVENT_READ))
        self.rd.close()
        self.same(lambda s: s.get_key(self.rd))
        self.same(lambda s: s.modify(self.rd, EVENT_WRITE)[:1])
        for selector in (self.ours, self.stock):
            self.assertEqual(len(selector.get_map()), 0)

    def test_closed_file_object_is_found(self):
        self.same(lambda s: s.register(self.rd, EVENT_READ))
        self.rd.close()
        self.same(lambda s: s.unregister(self.rd))
        self.same(lambda s: s.unregister(self.rd))

    def test_closed_selector(self):
        mapping = self.ours.get_map()
        self.ours.register(self.rd, EVENT_READ)
        self.ours.close()
        self.ours.close()
        self.assertIsNone(self.ours.get_map())
        self.assertEqual(len(mapping), 0)
        for call in (lambda: self.ours.register(self.rd, EVENT_READ),
                     lambda: self.ours.select(0)):
            self.assertRaisesRegex(ValueError, "closed", call)
        self.assertRaises(KeyError, self.ours.unregister, self.rd)

    def test_is_a_selector(self):
        self.assertIsInstance(self.ours, BaseSelector)
        self.assertRaises(TypeError, type, "X", (Selector,), {})
        self.assertRaises(TypeError, type(self.ours.get_map()))


class Waits(unittest.TestCase):
    def setUp(self):
        self.rd, self.wr = socket.socketpair()
        self.selector = Selector()
        self.addCleanup(self.rd.close)
        self.addCleanup(self.wr.close)
        self.addCleanup(self.selector.close)

    def handle(self, handler):
        old = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, old)

    def soon(self):
        """A signal from another thread, once the main one waits."""
        def kill():
            with open(f"/proc/self/task/{os.getpid()}/wchan") as wchan:
                while "epoll" not in wchan.read() and time.monotonic() < end:
                    wchan.seek(0)
            os.kill(os.getpid(), signal.SIGUSR1)
        end = time.monotonic() + 0.05
        thread = threading.Thread(target=kill)
        thread.start()
        self.addCleanup(thread.join)

    def test_never_short(self):
        for timeout in (1e-9, 1e-6, 0.0011, 0.0123):
            start = time.monotonic()
            self.assertEqual(self.selector.select(timeout), [])
            self.assertGreaterEqual(time.monotonic() - start, timeout)

    def test_long_timeouts(self):
        self.selector.register(self.wr, EVENT_WRITE)
        for timeout in (1e10, 1e300, float("inf"), 2**31, 10**9):
            self.assertEqual(len(self.selector.select(timeout)), 1)

    def test_handler_raises(self):
        def handler(*_):
            raise InterruptedError("enough")
        self.handle(handler)
        self.soon()
        self.assertRaisesRegex(InterruptedError, "enough",
                               self.selector.select)

    def test_handler_makes_ready(self):
        self.handle(lambda *_: self.wr.send(b"x"))
        self.selector.register(self.rd, EVENT_READ)
        self.soon()
        self.assertEqual(len(self.selector.select()), 1)

    def test_signal_before_the_wait(self):
        """One that Python has noted already is not waited out."""
        self.handle(lambda *_: self.wr.send(b"x"))
        self.selector.register(self.rd, EVENT_READ)
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGUSR1)
            self.assertEqual(len(self.selector.select(5)), 1)
            self.rd.recv(10)

    def test_wakeup_fd_of_others(self):
        """It hears what comes while we wait, and is back behind that."""
        rd, wr = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, rd)
        self.addCleanup(os.close, wr)
        signal.set_wakeup_fd(wr)
        self.addCleanup(signal.set_wakeup_fd, -1)
        self.handle(lambda *_: None)
        self.selector.register(rd, EVENT_READ)
        self.soon()
        self.assertEqual(len(self.selector.select()), 1)
        self.assertEqual(os.read(rd, 10), bytes([signal.SIGUSR1]))
        self.assertEqual(signal.set_wakeup_fd(wr), wr)

    def test_wakeup_fd_set_by_a_handler(self):
        self.handle(lambda *_: signal.set_wakeup_fd(self.wr.fileno()))
        self.wr.setblocking(False)
        self.selector.register(self.wr, EVENT_WRITE)
        self.selector.unregister(self.wr)
        self.soon()
        self.selector.select(0.1)
        self.assertEqual(signal.set_wakeup_fd(-1), self.wr.fileno())

    def test_other_threads_are_refused(self):
        """While one waits, for libevent has no locks."""
        def other():
            while isinstance(error := outcome(
                    lambda: self.selector.modify(self.rd, EVENT_READ)),
                    SelectorKey):
                pass
            errors.append(error)
            errors.append(outcome(self.selector.close))
            self.wr.send(b"x")
        errors = []
        self.selector.register(self.rd, EVENT_READ)
        thread = threading.Thread(target=other)
        thread.start()
        self.assertEqual(len(self.selector.select()), 1)
        thread.join()
        self.assertEqual([e[0] for e in errors], [RuntimeError] * 2)
        self.assertIn("call_soon_threadsafe", errors[0][1])

    def test_waits_without_the_gil(self):
        def other():
            self.wr.send(b"x")
        self.selector.register(self.rd, EVENT_READ)
        threading.Timer(0.01, other).start()
        self.assertEqual(len(self.selector.select()), 1)

    def test_garbage_is_collected(self):
        class Data:
            pass
        for close in (True, False):
            selector, data = Selector(), Data()
            data.cycle = selector, selector.get_map()
            selector.register(self.wr, EVENT_WRITE, data)
            self.assertEqual(len(selector.select()), 1)
            gone = weakref.ref(selector), weakref.ref(data)
            if close:
                selector.close()
            del selector, data
            gc.collect()
            self.assertEqual([ref() for ref in gone], [None, None])

    def test_destructors_that_unregister(self):
        class Data:
            def __init__(self, selector, fileobj):
                self.what = selector, fileobj

            def __del__(self):
                selector, fileobj = self.what
                outcome(lambda: selector.unregister(fileobj))
        for last in (lambda s: s.modify(self.wr, 2, None),
                     lambda s: s.modify(self.wr, 1, None),
                     lambda s: s.unregister(self.wr), lambda s: s.close()):
            selector = Selector()
            selector.register(self.wr, 2, Data(selector, self.wr))
            selector.register(self.rd, 2, Data(selector, self.wr))
            selector.select()
            last(selector)
            outcome(lambda: selector.select(0))
            selector.close()


if __name__ == "__main__":
    unittest.main()

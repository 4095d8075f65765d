#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""asyncio on saola's selector, on epoll's, and uvloop, side by side.

loops.py BUILD: BUILD holds saola_selector.so. Prints microseconds of CPU of
the process with the loop, medians of interleaved rounds: a turn (one
call_soon), a turn with a timer, a wake-up from another thread, and a 64-byte
echo over a UNIX socket pair by a protocol and by sock_recv, 1 and 64
connections.
"""

import asyncio
import os
import select
import socket
import statistics
import sys
import threading
import time

ROUNDS = 5
TURNS = 30000
ECHOES = 20000


def make(kind):
    if kind == "saola":
        import saola_selector
        return asyncio.SelectorEventLoop(saola_selector.Selector())
    if kind == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.SelectorEventLoop()


def cpu():
    return time.process_time()


def turns(loop):
    left = TURNS

    def step():
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            loop.stop()
    loop.call_soon(step)
    start = cpu()
    loop.run_forever()
    return (cpu() - start) / TURNS


def timers(loop):
    async def sleep():
        for _ in range(TURNS // 10):
            await asyncio.sleep(1e-5)
    start = cpu()
    loop.run_until_complete(sleep())
    return (cpu() - start) / (TURNS // 10)


def wakes(loop):
    n = TURNS // 10
    asked, answered = threading.Semaphore(0), threading.Semaphore(0)

    def other():
        for _ in range(n):
            asked.acquire()
            loop.call_soon_threadsafe(step)

    def step():
        nonlocal left
        left -= 1
        asked.release()
        if not left:
            loop.stop()
    left = n
    thread = threading.Thread(target=other)
    thread.start()
    asked.release()
    start = cpu()
    loop.run_forever()
    spent = cpu() - start
    thread.join()
    return spent / n


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


def client(socks, n):
    """Every connection has one message on its way."""
    poll = select.epoll()
    byfd = {sock.fileno(): sock for sock in socks}
    for fd, sock in byfd.items():
        poll.register(fd, select.EPOLLIN)
        sock.send(b"x" * 64)
    while n > 0:
        for fd, _ in poll.poll():
            byfd[fd].recv(100)
            byfd[fd].send(b"x" * 64)
            n -= 1
    os._exit(0)


def echo(loop, count, serve):
    pairs = [socket.socketpair() for _ in range(count)]
    if (pid := os.fork()) == 0:
        for ours, _ in pairs:
            ours.close()
        client([theirs for _, theirs in pairs], ECHOES)
    for ours, theirs in pairs:
        theirs.close()
        ours.setblocking(False)
    start = cpu()
    loop.run_until_complete(serve(loop, [ours for ours, _ in pairs]))
    spent = cpu() - start
    os.waitpid(pid, 0)
    return spent / ECHOES


async def by_protocol(loop, socks):
    done = loop.create_future()

    class Last(Echo):
        def connection_lost(self, _):
            if not done.done():
                done.set_result(None)
    for sock in socks:
        await loop.connect_accepted_socket(Last, sock)
    await done


async def by_sock(loop, socks):
    async def serve(sock):
        with sock:
            try:
                while data := await loop.sock_recv(sock, 100):
                    await loop.sock_sendall(sock, data)
            except ConnectionError:
                pass
    await asyncio.gather(*map(serve, socks))


MEASURES = {
    "turn": turns,
    "timer": timers,
    "wake": wakes,
    "protocol 1": lambda loop: echo(loop, 1, by_protocol),
    "protocol 64": lambda loop: echo(loop, 64, by_protocol),
    "sock 1": lambda loop: echo(loop, 1, by_sock),
    "sock 64": lambda loop: echo(loop, 64, by_sock),
}


def measure(kind, name):
    """In a process of its own: a result is one line of its pipe."""
    rd, wr = os.pipe()
    if (pid := os.fork()) == 0:
        loop = make(kind)
        os.write(wr, str(MEASURES[name](loop)).encode())
        os._exit(0)
    os.close(wr)
    with os.fdopen(rd) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return float(text) * 1e6


def main(build):
    sys.path.insert(0, build)
    kinds = ["epoll", "saola"]
    try:
        import uvloop
        kinds.append("uvloop")
    except ImportError:
        print("python3-uvloop is not installed")
    print("us".ljust(14), *(kind.rjust(8) for kind in kinds))
    for name in MEASURES:
        rows = [[measure(kind, name) for kind in kinds]
                for _ in range(ROUNDS)]
        print(name.ljust(14), *(f"{statistics.median(column):8.2f}"
                                for column in zip(*rows)), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

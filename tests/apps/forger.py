# SPDX-License-Identifier: MIT
"""A hostile worker: says what it likes on its channel to the master."""

import os
import random
import socket
import struct

MESSAGE = "iIi1024s"        # struct chan_msg


def channel():
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if sock.type == socket.SOCK_SEQPACKET:
            return sock
        sock.close()
    raise LookupError("no channel")


def application(environ, start_response):
    sock = channel()
    dice = random.Random(int(environ["QUERY_STRING"]))
    for _ in range(2000):
        if dice.random() < 0.1:
            data = dice.randbytes(dice.randrange(3000))
        else:
            text = dice.choice([b"", b"\n", b"\xff" * 1024, b"%s%n"])
            # Not 5: a worker may ask to be replaced.
            data = struct.pack(MESSAGE, dice.choice([-1, 0, 1, 2, 3, 4, 6]),
                               dice.choice([0, 1, 2, 3, 2**32 - 1]),
                               dice.choice([-1, 0, 3, 255]), text)
        fds = [0] * dice.choice([0, 0, 0, 1, 5])
        if fds:
            socket.send_fds(sock, [data], fds)
        else:
            sock.send(data)
    child = os.fork()
    if child == 0:
        # Not the master's child, so it cannot be taken for a worker.
        for slot in range(10):
            sock.send(struct.pack(MESSAGE, 1, slot, 0, b""))
        os._exit(0)
    os.waitpid(child, 0)
    sock.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

# SPDX-License-Identifier: MIT
"""A WebSocket client: over the uwsgi protocol, or HTTP to a proxy."""

import base64
import hashlib
import os
import struct

from . import uwsgi

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(bytes(range(16))).decode()
HANDSHAKE = [
    ("HTTP_UPGRADE", "websocket"), ("HTTP_CONNECTION", "Upgrade"),
    ("HTTP_SEC_WEBSOCKET_KEY", KEY), ("HTTP_SEC_WEBSOCKET_VERSION", "13"),
]

CONTINUE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, data=b"", fin=True, mask=b"\x11\x22\x33\x44"):
    """As a client sends it; without a mask where that is None."""
    size, bit = len(data), 0x80 if mask else 0
    head = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([size | bit])
    elif size < 65536:
        head += struct.pack(">BH", 126 | bit, size)
    else:
        head += struct.pack(">BQ", 127 | bit, size)
    if mask is None:
        return head + data
    key = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
    return head + mask + masked.to_bytes(size, "big")


class WebSocket:
    """On a connection of a client of ours, or of anybody's socket."""

    def __init__(self, connection):
        self.connection = connection

    @classmethod
    def open(cls, client, path="/", more=(), early=b""):
        """Handshake over uwsgi; early follows the request at once."""
        connection = client.connect()
        connection.send(uwsgi.wire(path=path, more=HANDSHAKE + list(more))
                        + early)
        self = cls(connection)
        self.read_head()
        return self

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.connection.take(1)
            if not byte:
                break
            head += byte
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split()[1]) if head else None
        self.headers = dict(line.decode("latin-1").split(": ", 1)
                            for line in lines[1:-2])

    def send(self, opcode, data=b"", **more):
        self.connection.send(frame(opcode, data, **more))

    def receive(self):
        """The next frame's opcode and data; None at the end."""
        head = self.connection.take(2)
        if len(head) < 2:
            return None
        assert not head[1] & 0x80
        size = head[1]
        if size == 126:
            size, = struct.unpack(">H", self.connection.take(2))
        elif size == 127:
            size, = struct.unpack(">Q", self.connection.take(8))
        assert head[0] & 0x80
        return head[0] & 0x0F, self.connection.take(size)

    def close(self, code=1000):
        """Say so, and hear the answer's code."""
        self.send(CLOSE, struct.pack(">H", code))
        return self.closed()

    def closed(self):
        """The code of the close frame that comes next."""
        opcode, data = self.receive()
        assert opcode == CLOSE
        return struct.unpack(">H", data[:2])[0] if data else None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.connection.close()


def accept_key(key=KEY):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()
                            ).decode()


def random_text(size):
    return os.urandom(size).hex()[:size].encode()

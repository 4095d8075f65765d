# SPDX-License-Identifier: MIT
"""What both clients share: sockets, and the variables nginx usually sends."""

import select
import socket
import struct
import urllib.parse

from .response import BadResponse

BROWSER = [
    ("HTTP_HOST", "example.test"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
    ("HTTP_ACCEPT", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate"),
]


def latin(text):
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def variables(path_key, method, uri, body, more):
    """nginx's usual parameters for this request, as a list of byte pairs.

    more, a dict or a list of pairs, replaces those of the same name; a value
    of None only takes the usual one away. A list may repeat a name.
    """
    path, _, query = uri.partition("?")
    usual = [
        ("QUERY_STRING", query),
        ("REQUEST_METHOD", method),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", str(len(body)) if body else ""),
        ("REQUEST_URI", uri),
        (path_key, urllib.parse.unquote_to_bytes(path)),
        ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("REMOTE_PORT", "54321"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", "example.test"),
    ] + BROWSER
    more = list(more.items() if isinstance(more, dict) else more or [])
    replaced = {latin(name) for name, _ in more}
    kept = [(latin(n), latin(v)) for n, v in usual if latin(n) not in replaced]
    return kept + [(latin(n), latin(v)) for n, v in more if v is not None]


def open_socket(address, timeout):
    """Connect to a path, an abstract "@name", or a (host, port) pair. A full
    listen queue is waited for, which a socket with a Python time-out does not.
    """
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                    struct.pack("ll", int(timeout), 0))
    name = str(address)
    sock.connect("\0" + name[1:] if name.startswith("@") else name)
    sock.settimeout(timeout)
    return sock


class Connection:
    """A socket with a buffer. Every wait ends at its time-out. A reset ends
    the stream as a close does, and is remembered."""

    def __init__(self, address, timeout=10):
        self.sock = open_socket(address, timeout)
        self.buffer = b""
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_bytewise(self, data):
        """One byte a write."""
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])

    def try_send(self, data):
        """Send what a peer may refuse: False if it closed meanwhile."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def recv(self, size=1 << 18):
        try:
            return self.sock.recv(size)
        except ConnectionResetError:
            self.was_reset = True
            return b""

    def take(self, size):
        """Exactly size bytes, or fewer where the stream ends."""
        parts, have = [self.buffer], len(self.buffer)
        while have < size and (data := self.recv()):
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def rest(self):
        """All bytes up to the end of the stream."""
        parts = [self.buffer]
        self.buffer = b""
        while data := self.recv():
            parts.append(data)
        return b"".join(parts)

    def closes(self):
        """Wait for the close; no byte may arrive before it, nor a reset."""
        data = self.rest()
        if data:
            raise BadResponse(f"{data[:200]!r} before the close")
        if self.was_reset:
            raise BadResponse("reset instead of a close")
        return True

    def readable(self, seconds):
        """Does anything (bytes or an end) arrive within so many seconds?"""
        return bool(select.select([self.sock], [], [], seconds)[0])

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Close with a reset where the transport has one (TCP)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

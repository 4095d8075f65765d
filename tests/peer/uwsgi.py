# SPDX-License-Identifier: MIT
"""The uwsgi protocol, the side of the web server."""

import struct

from . import client
from .response import (BadResponse, Response, parse_headers, parse_status,
                       split_head)


def pair(name, value):
    name, value = client.latin(name), client.latin(value)
    return (struct.pack("<H", len(name)) + name
            + struct.pack("<H", len(value)) + value)


def block(pairs):
    return b"".join(pair(n, v) for n, v in pairs)


def packet(data, modifier1=0, modifier2=0):
    """The 4-byte head in front of a variable block."""
    return struct.pack("<BHB", modifier1, len(data), modifier2) + data


def params(method="GET", path="/", more=None, body=b""):
    """nginx's uwsgi_params: PATH_INFO has the path, SCRIPT_NAME is absent."""
    return client.variables("PATH_INFO", method, path, body, more)


def wire(method="GET", path="/", more=None, body=b"", keep=False):
    """The bytes of a whole request; keep: the protocol cannot."""
    return packet(block(params(method, path, more, body))) + body


def parse_response(data):
    if not data:
        return Response(None, None, [], b"")
    lines, body = split_head(data)
    version, _, status = lines.pop(0).partition(" ")
    if version != "HTTP/1.1":
        raise BadResponse(f"status line starts with {version!r}")
    number, reason = parse_status(status)
    headers = parse_headers(lines)
    if any(n.lower() == "status" for n, _ in headers):
        raise BadResponse("Status: on uwsgi")
    return Response(number, reason, headers, body)


class Connection(client.Connection):
    def send_request(self, method="GET", path="/", params=None, body=b"",
                     keep=False):
        self.send(wire(method, path, params, body))

    def response(self):
        """The response ends with the connection."""
        return parse_response(self.rest())


class Client:
    name = "uwsgi"

    def __init__(self, address, timeout=10):
        self.address = address
        self.timeout = timeout

    wire = staticmethod(wire)
    params = staticmethod(params)

    @staticmethod
    def bare(pairs, body=b"", keep=False):
        """A request of exactly these parameters."""
        return packet(block(pairs)) + body

    def connect(self):
        return Connection(self.address, self.timeout)

    def request(self, method="GET", path="/", params=None, body=b"",
                cut=False):
        return self.exchange(wire(method, path, params, body), cut)

    def exchange(self, data, cut=False):
        """Send these bytes and read one response. With cut it may end in a
        reset, which is how the protocol shows a body that breaks off."""
        with self.connect() as conn:
            conn.send(data)
            response = conn.response()
            if conn.was_reset and not cut:
                raise BadResponse(f"{response}, then a reset")
            return response

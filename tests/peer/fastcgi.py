# SPDX-License-Identifier: MIT
"""FastCGI 1.0, the side of the web server."""

import struct

from . import client
from .response import (BadResponse, Response, parse_headers, parse_status,
                       split_head)

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA = range(1, 9)
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = range(9, 12)

RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONN = 1
COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)

MAX_CONTENT = 65535


def record(kind, rid, content=b"", padding=b"", version=1, reserved=0):
    return struct.pack(">BBHHBB", version, kind, rid, len(content),
                       len(padding), reserved) + content + padding


def begin(rid=1, role=RESPONDER, flags=0):
    return record(BEGIN, rid, struct.pack(">HB5x", role, flags))


def length(n, wide=False):
    return struct.pack(">I", n | 1 << 31) if wide or n > 127 else bytes([n])


def pair(name, value, wide=False):
    name, value = client.latin(name), client.latin(value)
    return length(len(name), wide) + length(len(value), wide) + name + value


def block(pairs):
    return b"".join(pair(n, v) for n, v in pairs)


def stream(kind, rid, data, size=MAX_CONTENT, padding=b""):
    """data as records of at most size bytes, and the empty one that ends."""
    cuts = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(record(kind, rid, c, padding) for c in cuts + [b""])


def parse_pairs(data):
    """The pairs of a GET_VALUES_RESULT."""
    pairs, at = [], 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            n = data[at]
            at += 1
            if n >> 7:
                n = struct.unpack(">I", data[at - 1:at + 3])[0] & 0x7fffffff
                at += 3
            sizes.append(n)
        name = data[at:at + sizes[0]]
        value = data[at + sizes[0]:at + sum(sizes)]
        at += sum(sizes)
        if at > len(data):
            raise BadResponse("a pair runs over the end of its record")
        pairs.append((name.decode(), value.decode()))
    return pairs


class Record:
    def __init__(self, kind, rid, content):
        self.kind = kind
        self.rid = rid
        self.content = content

    def __repr__(self):
        return f"<Record {self.kind} id={self.rid} {self.content[:80]!r}>"


class Connection(client.Connection):
    def send_request(self, method="GET", path="/", params=None, body=b"",
                     keep=True, rid=1, chunks=None):
        self.send(wire(method, path, params, body, keep, rid, chunks))

    def record(self):
        """The next record, None at the end of the stream, which eight zero
        bytes are too: what saola ends a response with that broke off."""
        head = self.take(8)
        if not head or head == bytes(8):
            return None
        if len(head) < 8:
            raise BadResponse(f"cut record header {head!r}")
        version, kind, rid, size, padding, reserved = struct.unpack(
            ">BBHHBB", head)
        if version != 1 or reserved:
            raise BadResponse(f"record header {head!r}")
        if padding:
            raise BadResponse(f"padding of {padding}")
        content = self.take(size)
        if len(content) < size:
            raise BadResponse(f"record of {size} cut at {len(content)}")
        return Record(kind, rid, content)

    def response(self, rid=1, method="GET"):
        """The whole response to request rid."""
        out, err, head, ended, end = [], [], None, set(), None
        while end is None:
            rec = self.record()
            if rec is None:
                break
            if rec.rid != rid:
                raise BadResponse(f"{rec}, and id {rid} was asked")
            if rec.kind in ended:
                raise BadResponse(f"{rec} behind the end of its stream")
            if rec.kind == STDOUT:
                if head is None:
                    head = rec.content
                out.append(rec.content)
                if not rec.content:
                    ended.add(STDOUT)
            elif rec.kind == STDERR:
                err.append(rec.content)
                if not rec.content:
                    ended.add(STDERR)
            elif rec.kind == END:
                if STDOUT not in ended and out:
                    raise BadResponse("END_REQUEST before STDOUT ended")
                end = struct.unpack(">IB3x", rec.content)
            else:
                raise BadResponse(f"{rec} in a response")
        return parse_response(b"".join(out), head, b"".join(err), end)


def parse_response(data, first, stderr, end):
    """first is the first STDOUT record: the whole head must be in it."""
    if not data:
        return Response(None, None, [], b"", stderr, end)
    lines, body = split_head(data)
    if len(data) - len(body) <= MAX_CONTENT and b"\r\n\r\n" not in first:
        raise BadResponse("the head is cut into several records")
    name, _, value = lines.pop().partition(": ")
    if name != "Status":
        raise BadResponse(f"the head ends with {name!r}, not with Status")
    status, reason = parse_status(value)
    headers = parse_headers(lines)
    if any(n.lower() == "status" for n, _ in headers):
        raise BadResponse("a second Status")
    return Response(status, reason, headers, body, stderr, end)


def params(method="GET", path="/", more=None, body=b""):
    """Debian's fastcgi_params: the whole path sits in SCRIPT_NAME."""
    usual = client.variables("SCRIPT_NAME", method, path, body, more)
    named = {name for name, _ in usual}
    given = {client.latin(n) for n, _ in
             (more.items() if isinstance(more, dict) else more or [])}
    for name, value in ((b"GATEWAY_INTERFACE", b"CGI/1.1"),
                        (b"SERVER_SOFTWARE", b"nginx/1.22.1"),
                        (b"REDIRECT_STATUS", b"200")):
        if name not in named | given:
            usual.append((name, value))
    return usual


def wire(method="GET", path="/", more=None, body=b"", keep=False, rid=1,
         chunks=None):
    """The bytes of a whole request; chunks: body bytes a STDIN record."""
    return (begin(rid, RESPONDER, KEEP_CONN if keep else 0)
            + stream(PARAMS, rid, block(params(method, path, more, body)))
            + stream(STDIN, rid, body, chunks or 32768))


class Client:
    name = "fastcgi"

    def __init__(self, address, timeout=10):
        self.address = address
        self.timeout = timeout

    wire = staticmethod(wire)
    params = staticmethod(params)

    @staticmethod
    def bare(pairs, body=b"", rid=1, keep=False):
        """A request of exactly these parameters."""
        return (begin(rid, RESPONDER, KEEP_CONN if keep else 0)
                + stream(PARAMS, rid, block(pairs))
                + stream(STDIN, rid, body))

    def connect(self):
        return Connection(self.address, self.timeout)

    def request(self, method="GET", path="/", params=None, body=b"",
                cut=False):
        return self.exchange(wire(method, path, params, body), cut)

    def exchange(self, data, cut=False):
        """Send these bytes, read one response and the close behind it. With
        cut it has to be one that breaks off."""
        with self.connect() as conn:
            conn.send(data)
            response = conn.response()
            if cut != (response.end is None):
                raise BadResponse(f"{response}, cut={cut}")
            if not cut:
                conn.closes()
            return response

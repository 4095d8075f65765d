# SPDX-License-Identifier: MIT
"""A response, whoever carried it, and the rules both protocols share."""

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer",
              "transfer-encoding", "upgrade"}


class BadResponse(AssertionError):
    """The server broke a rule of the wire."""


class Response:
    """status, reason, headers (list of pairs, latin-1), body; and what only
    FastCGI has: stderr, end (application status, protocol status), or None
    where the stream ended without END_REQUEST."""

    def __init__(self, status, reason, headers, body, stderr=b"", end=None):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.stderr = stderr
        self.end = end

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def __getitem__(self, name):
        """The value of a header that may appear once; None: it is absent."""
        values = self.all(name)
        if len(values) > 1:
            raise BadResponse(f"{name} appears {len(values)} times")
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode()

    def __repr__(self):
        return (f"<Response {self.status} {self.reason!r} {self.headers} "
                f"{self.body[:200]!r} end={self.end}>")


def split_head(data):
    """Cut a response into its head's lines and its body."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        raise BadResponse(f"no end of the head in {data[:200]!r}")
    return head.decode("latin-1").split("\r\n"), body


def parse_headers(lines):
    headers = []
    for line in lines:
        name, colon, value = line.partition(": ")
        if not colon or not name or set(name) & set(" \t\r\n\0"):
            raise BadResponse(f"header line {line!r}")
        if set(value) & set("\r\n\0"):
            raise BadResponse(f"control character in {line!r}")
        if name.lower() in HOP_BY_HOP:
            raise BadResponse(f"{name} belongs to the proxy")
        headers.append((name, value))
    return headers


def parse_status(text):
    """'200 OK' to its two parts."""
    number, _, reason = text.partition(" ")
    if len(number) != 3 or not number.isdigit():
        raise BadResponse(f"status {text!r}")
    return int(number), reason

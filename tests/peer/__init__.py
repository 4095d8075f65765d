# SPDX-License-Identifier: MIT
"""FastCGI and uwsgi clients, written apart from saola's own codecs.

Both have one interface:

    client = PROTOCOLS["fastcgi"](address)          a path, "@name", or a tuple
    response = client.request("POST", "/a?b", {"X": "1"}, b"body")
    with client.connect() as conn:                  byte by byte
        conn.send(...)

The clients are strict: a response that breaks one of the wire rules (head cut
in two records, Status: not last, a foreign id, a hop-by-hop header ...) raises
BadResponse, so every test checks those rules.
"""

from . import fastcgi, uwsgi
from .response import BadResponse, Response

PROTOCOLS = {"fastcgi": fastcgi.Client, "uwsgi": uwsgi.Client}

__all__ = ["BadResponse", "PROTOCOLS", "Response", "fastcgi", "uwsgi"]

# SPDX-License-Identifier: MIT
"""Runs the expressions in the query on wsgi.input, called i."""

import urllib.parse


def run(environ, start_response):
    script = urllib.parse.unquote(environ["QUERY_STRING"])
    answer = repr(eval(script, {"i": environ["wsgi.input"]}))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]

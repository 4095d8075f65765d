# SPDX-License-Identifier: MIT
"""Shows the environ as JSON."""

import json

kept = []


def dump(environ, start_response):
    """Strings as they are, other values as their repr."""
    shown = {k: v if isinstance(v, str) else repr(v)
             for k, v in environ.items()}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]


def types(environ, start_response):
    """What is not exactly a str, and what environ itself is."""
    odd = {k: type(v).__name__ for k, v in environ.items()
           if type(v) is not str}
    strange = [repr(k) for k in environ if type(k) is not str]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([type(environ).__name__, odd, strange]).encode()]


def keep(environ, start_response):
    """Keeps every environ, and shows the paths and marks of all."""
    environ["test.mark"] = str(len(kept))
    kept.append(environ)
    shown = [[e["QUERY_STRING"], e["test.mark"], len(e)] for e in kept]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]

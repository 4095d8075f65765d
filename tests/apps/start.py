# SPDX-License-Identifier: MIT
"""start_response(), called in every way there is."""

import sys
import urllib.parse

TEXT = [("Content-Type", "text/plain")]


def failure():
    """An exc_info of a ValueError."""
    try:
        raise ValueError("handled")
    except ValueError:
        return sys.exc_info()


def twice(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        start_response("201 Created", TEXT)
    except AssertionError:
        return [b"AssertionError"]
    return [b"no error"]


def again_after_a_bad_call(environ, start_response):
    try:
        start_response("200 OK", [("Bad Name", "x")])
    except ValueError:
        pass
    try:
        start_response("200 OK", TEXT)
    except AssertionError:
        start_response("202 Accepted", TEXT, failure())
        return [b"AssertionError"]
    return [b"no error"]


def exc_info_before_the_head(environ, start_response):
    start_response("200 OK", TEXT + [("X-First", "1")])
    write = start_response("503 Replaced", [("X-Second", "2")], failure())
    write(b"written, ")
    return [b"returned"]


def exc_info_after_the_head(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"head is out, ")
    info = failure()
    try:
        start_response("500 Too Late", TEXT, info)
    except ValueError as error:
        depth = 0
        trace = error.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
            depth += 1
        same = error is info[1] and trace.tb_frame.f_code.co_name == "failure"
        return [b"same" if same else b"another"]
    return [b"no error"]


def never(environ, start_response):
    return [b"a body without a head"]


def never_and_empty(environ, start_response):
    return []


def inside_the_first_next(environ, start_response):
    start_response("201 Created", TEXT)
    yield b"late, "
    yield b"but legal"


def after_an_empty_chunk(environ, start_response):
    """An empty chunk does not send the head."""
    start_response("200 OK", TEXT)
    yield b""
    start_response("404 Not Found", TEXT, failure())
    yield b""
    yield b"replaced"


def write_and_return(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three ", b"four"]


def write_of_str(environ, start_response):
    write = start_response("200 OK", TEXT)
    try:
        write("text")
    except TypeError:
        return [b"TypeError"]
    return [b"no error"]


def write_past_the_length(environ, start_response):
    write = start_response("200 OK", TEXT + [("Content-Length", "3")])
    try:
        write(b"12345")
    except Exception as error:
        environ["wsgi.errors"].write(f"write raised {type(error).__name__}\n")
    return []


def no_reference_is_kept(environ, start_response):
    """The exception given as exc_info is freed with the request."""
    error = type("Mine", (ValueError,), {
        "__del__": lambda self: environ["wsgi.errors"].write("freed\n")})
    start_response("200 OK", TEXT)
    try:
        raise error()
    except ValueError:
        start_response("500 Failed", TEXT, sys.exc_info())
    return [b"replaced"]


def status(environ, start_response):
    """The status line is the query."""
    text = urllib.parse.unquote(environ["QUERY_STRING"], "latin-1")
    start_response(text, TEXT)
    return [b"body"]


def status_of_bytes(environ, start_response):
    start_response(b"200 OK", TEXT)
    return [b"body"]


class Text(str):
    pass


class Pair(tuple):
    pass


# What start_response has to refuse: headers, and the kind of exception.
BAD_HEADERS = {
    "cr": ([("X-A", "a\rb")], ValueError),
    "lf": ([("X-A", "a\nSet-Cookie: b")], ValueError),
    "crlf": ([("X-A", "a\r\n\r\n<html>")], ValueError),
    "nul": ([("X-A", "a\0b")], ValueError),
    "fold": ([("X-A", "a\r\n b")], ValueError),
    "colon": ([("X:A", "a")], ValueError),
    "blank": ([("X A", "a")], ValueError),
    "trailing": ([("X-A ", "a")], ValueError),
    "newline": ([("X-A\r\n", "a")], ValueError),
    "empty": ([("", "a")], ValueError),
    "latin": ([("X-\xe9", "a")], ValueError),
    "wide": ([("X-A", "\u20ac")], (ValueError, TypeError)),
    "widename": ([("X-\u20ac", "a")], (ValueError, TypeError)),
    "status": ([("Status", "404 Not Found")], ValueError),
    "status2": ([("sTATUS", "404 Not Found")], ValueError),
    "bytesname": ([(b"X-A", "a")], TypeError),
    "bytesvalue": ([("X-A", b"a")], TypeError),
    "int": ([("X-A", 5)], TypeError),
    "none": ([("X-A", None)], TypeError),
    "triple": ([("X-A", "a", "b")], (TypeError, ValueError)),
    "single": ([("X-A",)], (TypeError, ValueError)),
    "listpair": ([["X-A", "a"]], TypeError),
    "notlist": ((("X-A", "a"),), TypeError),
    "dict": ({"X-A": "a"}, TypeError),
    "nolist": (None, TypeError),
    "length": ([("Content-Length", "abc")], ValueError),
    "negative": ([("Content-Length", "-1")], ValueError),
    "plus": ([("Content-Length", "+1")], ValueError),
    "pair": ([("Content-Length", "5, 5")], ValueError),
    "emptylength": ([("Content-Length", "")], ValueError),
    "huge": ([("Content-Length", "9" * 30)], ValueError),
    "lengths": ([("Content-Length", "5"), ("Content-Length", "6")],
                ValueError),
}


def bad_header(environ, start_response):
    headers, kind = BAD_HEADERS[environ["QUERY_STRING"]]
    try:
        start_response("200 OK", headers)
    except kind:
        environ["wsgi.errors"].write(f"refused {environ['QUERY_STRING']}\n")
        raise
    return [b"hello"]


def odd_headers(environ, start_response):
    """Unusual, and right."""
    start_response(Text("200 OK"), [
        Pair(("X-Pair", "tuple subclass")),
        (Text("X-Text"), Text("str subclass")),
        ("X-Blank", "  outer blanks\t"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
        ("X-Tab", "a\tb"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Accel-Expires", "0"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Server", "mine"),
        ("x-lower!#$%&'*+.^_`|~", "token"),
    ])
    return [b"body"]


def hop_by_hop(environ, start_response):
    """These headers belong to the proxy."""
    start_response("200 OK", [
        ("Transfer-Encoding", "chunked"), ("Connection", "close"),
        ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close"),
        ("TE", "trailers"), ("Trailer", "X-A"), ("Upgrade", "h2c"),
        ("X-Kept", "1")])
    return [b"body"]


def large_head(environ, start_response):
    """As many KB of headers as the query says."""
    size = int(environ["QUERY_STRING"]) * 1024
    start_response("200 OK", [(f"X-{n}", "v" * 1000)
                              for n in range(size // 1000)])
    return [b"body"]

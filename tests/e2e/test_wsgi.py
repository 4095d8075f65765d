# SPDX-License-Identifier: MIT
"""The WSGI contract, over both protocols: PEP 3333 and its edges."""

import io
import json
import os
import pathlib
import sys
import urllib.parse

import pytest

from server import APPS

sys.path.insert(0, str(APPS))
import start  # noqa: E402

CLASSES = ("sync", "threaded")

TEXT = b"one two three"


@pytest.fixture
def client(each, protocol):
    return each.client(protocol)


@pytest.fixture
def log(each):
    """Waits for lines that this test caused."""
    after = each.mark()
    return lambda pattern: each.wait_log(pattern, after)


def get(client, path, **more):
    return client.request("GET", path, **more)


# start_response

def test_start_response_twice_is_an_error(client):
    r = get(client, "/start/twice")
    assert (r.status, r.text) == (200, "AssertionError")


def test_a_refused_start_response_counts_as_made(client):
    r = get(client, "/start/again_after_a_bad_call")
    assert (r.status, r.text) == (202, "AssertionError")


def test_exc_info_before_the_head_replaces_it(client):
    r = get(client, "/start/exc_info_before_the_head")
    assert (r.status, r.reason) == (503, "Replaced")
    assert r["X-First"] is None and r["X-Second"] == "2"
    assert r.text == "written, returned"


def test_exc_info_after_the_head_raises_that_exception(client):
    r = get(client, "/start/exc_info_after_the_head")
    assert (r.status, r.text) == (200, "head is out, same")


def test_exc_info_is_not_kept(client, log):
    assert get(client, "/start/no_reference_is_kept").status == 500
    log("freed")


def test_a_body_without_start_response_is_500(client, log):
    r = get(client, "/start/never")
    assert r.status == 500 and b"without a head" not in r.body
    log(r"GET /start/never")


def test_an_empty_body_without_start_response_is_500(client):
    assert get(client, "/start/never_and_empty").status == 500


def test_start_response_may_come_with_the_first_chunk(client):
    r = get(client, "/start/inside_the_first_next")
    assert (r.status, r.text) == (201, "late, but legal")


def test_an_empty_chunk_does_not_send_the_head(client):
    r = get(client, "/start/after_an_empty_chunk")
    assert (r.status, r.text) == (404, "replaced")


def test_write_comes_before_the_chunks(client):
    r = get(client, "/start/write_and_return")
    assert (r.status, r.text) == (200, "one two three four")


def test_write_takes_bytes_only(client):
    r = get(client, "/start/write_of_str")
    assert r.text == "TypeError"


def test_write_past_the_length_is_an_error(client, log):
    r = get(client, "/start/write_past_the_length")
    assert (r.status, r["Content-Length"], r.body) == (200, "3", b"123")
    log("write raised")


@pytest.mark.parametrize("text, status, reason", [
    ("200 OK", 200, "OK"),
    ("200 ", 200, ""),
    ("299 A longer reason, with (signs)", 299,
     "A longer reason, with (signs)"),
    ("600 Custom", 600, "Custom"),
    ("999 Last", 999, "Last"),
    ("404 caf\xe9", 404, "caf\xe9"),
])
def test_status_lines_that_pass(client, text, status, reason):
    r = get(client, "/start/status?" + urllib.parse.quote(text, "",
                                                          "latin-1"))
    assert (r.status, r.reason, r.body) == (status, reason, b"body")


@pytest.mark.parametrize("text", [
    "", "200", "200OK", "99 Low", "099 Low", "1000 High", "abc Word",
    "2x0 Digit", " 200 OK", "200 O\nK", "200 O\rK", "200 O\0K",
    "200 OK\r\nSet-Cookie: a=b", "-20 Minus", "100 Continue",
    "101 Switching Protocols", "103 Early Hints", "199 Last",
])
def test_status_lines_that_are_refused(client, log, text):
    query = urllib.parse.quote(text, "", "latin-1")
    r = get(client, "/start/status?" + query)
    assert r.status == 500 and b"body" not in r.body
    assert r["Set-Cookie"] is None
    log(r"GET /start/status")


def test_a_status_of_bytes_is_refused(client):
    assert get(client, "/start/status_of_bytes").status == 500


@pytest.mark.parametrize("name", start.BAD_HEADERS)
def test_headers_that_are_refused(client, log, name):
    r = get(client, "/start/bad_header?" + name)
    assert r.status == 500 and b"hello" not in r.body
    assert r["X-A"] is None and r["Set-Cookie"] is None
    log(f"refused {name}$")


def test_unusual_headers_pass_in_their_order(client):
    r = get(client, "/start/odd_headers")
    assert r["X-Pair"] == "tuple subclass"
    assert r["X-Text"] == "str subclass"
    assert r["X-Blank"] == "outer blanks"
    assert r["X-Empty"] == ""
    assert r["X-Latin"] == "caf\xe9"
    assert r["X-Tab"] == "a\tb"
    assert r.all("Set-Cookie") == ["a=1", "b=2"]
    assert r["X-Accel-Expires"] == "0"
    assert r["Date"].startswith("Thu, 01 Jan 1970")
    assert r["Server"] == "mine"
    assert r["x-lower!#$%&'*+.^_`|~"] == "token"
    names = [n for n, _ in r.headers]
    assert names.index("X-Pair") < names.index("Server")


def test_headers_of_the_hop_are_dropped(client, log):
    r = get(client, "/start/hop_by_hop")
    assert (r["X-Kept"], r.body) == ("1", b"body")


def test_a_dropped_header_is_warned_of_once(saola, protocol):
    server = saola("start:hop_by_hop")
    for _ in range(3):
        assert server.client(protocol).request().status == 200
    server.wait_log("(?i)transfer-encoding")
    server.stop()
    assert len(server.grep("(?i)transfer-encoding")) == 1


@pytest.mark.parametrize("size", [1, 5, 20, 100])
def test_large_heads_arrive_whole(client, size):
    r = get(client, f"/start/large_head?{size}")
    assert r.status == 200 and r.body == b"body"
    assert len(r.headers) >= size * 1024 // 1000


def test_a_head_too_large_for_most_proxies_is_warned_of(saola, protocol):
    server = saola("start:large_head")
    assert get(server.client(protocol), "/?5").status == 200
    server.wait_log("warn .*GET /.5: response head of .*fastcgi_buffer_size")


# The iterable

@pytest.mark.parametrize("path, body, length", [
    ("one", b"one", "3"),
    ("several", TEXT, "13"),
    ("a_tuple", TEXT, "13"),
    ("generator", TEXT, None),
    ("with_empty_chunks", TEXT, None),
    ("silent_generator", b"", None),
    ("by_getitem", TEXT, None),
    ("length_that_lies", TEXT, None),
    ("list_subclass", TEXT, None),
    ("bytes_subclass", TEXT, "13"),
])
def test_bodies(client, path, body, length):
    r = get(client, "/body/" + path)
    assert (r.status, r.body) == (200, body)
    assert r["Content-Length"] == length


def test_an_empty_list_is_an_empty_body(client):
    r = get(client, "/body/empty")
    assert (r.status, r.body) == (200, b"")
    assert r["Content-Length"] in (None, "0")


def test_bare_bytes_are_one_chunk(client):
    r = get(client, "/body/bare_bytes")
    assert (r.status, r.body) == (200, TEXT)


def test_bare_bytes_are_warned_of_once(saola, protocol):
    server = saola("body:bare_bytes")
    for _ in range(3):
        assert server.client(protocol).request().body == TEXT
    server.wait_log("warn .*bytes")
    server.stop()
    assert len(server.grep("warn .*bytes")) == 1


@pytest.mark.parametrize("path, kind", [
    ("a_str", "str"), ("none", "NoneType"), ("a_number", "int"),
    ("list_of_str", "str"), ("list_with_none", "NoneType"),
    ("yields_number", "int"),
])
def test_what_is_no_body_is_500_and_named(client, log, path, kind):
    r = get(client, "/body/" + path)
    assert r.status == 500 and b"text" not in r.body
    log(kind)


def test_a_str_after_the_head_cuts_the_body(client, log):
    r = get(client, "/body/str_after_bytes", cut=True)
    assert (r.status, r.body) == (200, b"first")
    log("GET /body/str_after_bytes")


def test_many_megabytes(client):
    r = get(client, "/body/megabytes?8")
    assert len(r.body) == 8 << 20
    assert all(r.body[n << 16] == n % 251 for n in range(128))


def test_one_large_chunk(client):
    r = get(client, "/body/one_large?8")
    assert r["Content-Length"] == str(8 << 20)
    assert r.body == b"x" * (8 << 20)


def test_a_chunk_is_sent_before_the_next_is_asked_for(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with client.connect() as conn:
        conn.send(client.wire("GET", f"/body/gated?{gate}"))
        seen = b""
        while b"one" not in seen:
            more = conn.recv()
            assert more, seen
            seen += more
        assert b"two" not in seen
        gate.write_bytes(b"open")
        conn.buffer = seen
        assert conn.response().body == b"onetwo"


# HEAD, and statuses without a body

@pytest.mark.parametrize("path, length", [
    ("/body/one", "3"), ("/body/several", "13"), ("/body/generator", None),
    ("/body/empty", None), ("/body/silent_generator", None),
    ("/length/declared?200,1000,1000,10", "1000"),
])
def test_head_has_the_head_of_get_and_no_body(client, path, length):
    r = client.request("HEAD", path)
    assert (r.status, r.body) == (200, b"")
    assert r["Content-Length"] == length


def test_head_ends_after_the_first_chunk(client, log):
    r = client.request("HEAD", "/closing/client_leaves?head")
    assert (r.status, r.body) == (200, b"")
    log("closed head")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_204_has_neither_body_nor_length(client, method):
    r = client.request(method, "/length/declared?204,5,5,5")
    assert (r.status, r.body, r["Content-Length"]) == (204, b"", None)


def test_304_keeps_its_length_and_has_no_body(client):
    r = get(client, "/length/declared?304,5,5,5")
    assert (r.status, r.body, r["Content-Length"]) == (304, b"", "5")


# Content-Length

def test_a_declared_length_is_kept(client):
    r = get(client, "/length/declared?200,100,100,7")
    assert (r["Content-Length"], len(r.body)) == ("100", 100)


@pytest.mark.parametrize("path", ["/length/declared?200,5,25,10",
                                  "/length/list_too_long"])
def test_a_body_over_its_length_is_cut_there(client, log, path):
    r = get(client, path)
    assert (r.status, r["Content-Length"], len(r.body)) == (200, "5", 5)
    log(r"GET /length/")


def test_a_body_under_its_length_looks_cut(client, log):
    r = get(client, "/length/declared?200,100,25,10", cut=True)
    assert r.status == 200 and len(r.body) < int(r["Content-Length"])
    log(r"GET /length/.*25.*100")


def test_a_list_under_its_length_is_known_in_time(client, log):
    r = get(client, "/length/list_too_short")
    assert r.status == 500
    log(r"GET /length/.*3.*5")


def test_the_same_length_twice_is_refused(client):
    r = get(client, "/length/same_twice")
    assert r.status == 500


# close()

@pytest.mark.parametrize("path, cut", [
    ("end", False), ("failure", True), ("failure_at_once", False),
    ("over_length", False), ("not_modified", False), ("raising", False),
])
def test_close_is_called_once(each, client, log, path, cut):
    name = f"{path}-{client.name}"
    after = each.mark()
    get(client, f"/closing/{path}?{name}", cut=cut)
    log(f"closed {name}")
    get(client, "/hello/application")
    assert len(each.grep(f"closed {name}$", after)) == 1


def test_an_exception_of_close_is_only_logged(client, log):
    r = get(client, "/closing/raising?harmless")
    assert (r.status, r.body) == (200, b"whole")
    log("ValueError: from close")


@pytest.mark.parametrize("path", ["client_leaves", "left_generator"])
def test_close_is_called_when_the_client_leaves(each, client, log, path):
    name = f"{path}-left-{client.name}"
    with client.connect() as conn:
        conn.send(client.wire("GET", f"/closing/{path}?{name}"))
        conn.recv()
    log(f"closed {name}")
    assert not [line for line in each.log if "BrokenPipe" in line]


# Exceptions

EXCEPTIONS = ["ValueError", "OSError", "StopIteration", "SystemExit",
              "KeyboardInterrupt", "GeneratorExit", "MemoryError",
              "BrokenPipeError", "ConnectionResetError", "Warning"]


@pytest.mark.parametrize("path", ["before", "after_start"])
@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_before_the_head_is_500(each, client, log, path, name):
    workers = each.workers()
    r = get(client, f"/failure/{path}?{name}")
    assert r.status == 500 and b"boom" not in r.body and r.body
    log(rf"{name}.*boom")
    log(rf"GET /failure/{path}\?{name}")
    assert each.workers() == workers


@pytest.mark.parametrize("name", ["ValueError", "OSError", "SystemExit"])
def test_an_exception_of_the_first_next_is_500(client, log, name):
    assert get(client, f"/failure/in_first_next?{name}").status == 500
    log(rf"{name}.*boom")


@pytest.mark.parametrize("name", EXCEPTIONS)
@pytest.mark.parametrize("path", ["after_first_chunk", "with_a_length"])
def test_an_exception_after_the_head_cuts_the_body(client, log, path, name):
    if name == "StopIteration" and path == "after_first_chunk":
        pytest.skip("it is how an iterator ends")
    r = get(client, f"/failure/{path}?{name}", cut=True)
    assert (r.status, r.body) == (200, b"first")
    log(rf"GET /failure/{path}\?{name}")


def test_the_traceback_is_logged_once(saola, protocol):
    server = saola("failure:before")
    assert server.client(protocol).request(path="/x?ValueError").status == 500
    server.wait_log("ValueError: boom")
    server.stop()
    assert len(server.grep("ValueError: boom")) == 1
    assert len(server.grep(r"Traceback")) == 1
    assert len(server.grep(r"GET /x\?ValueError")) == 1


@pytest.mark.parametrize("path", ["exits", "recurses", "unprintable"])
def test_odd_exceptions_leave_the_worker(each, client, path):
    workers = each.workers()
    assert get(client, "/failure/" + path).status == 500
    assert each.workers() == workers


# wsgi.input

BODY = b"first line\nsecond\n\nfourth, without an end"

SCRIPTS = [
    "i.read()", "i.read(-1)", "i.read(None)", "i.read(0)",
    "[i.read(5), i.read(-1)]", "[i.read(5), i.read(0), i.read(5), i.read()]",
    "[i.read(), i.read(), i.read(10)]", "i.read(10000)", "i.read(-5)",
    "i.readline()", "[i.readline() for _ in range(6)]",
    "[i.readline(3), i.readline(0), i.readline(100), i.readline(-1)]",
    "[i.readline(None), i.readline(5)]", "i.readlines()",
    "[i.readlines(1), i.readlines(12), i.readlines()]",
    "[i.readlines(0)]", "i.readlines(-1)", "i.readlines(None)",
    "list(i)", "[next(i), i.read(3), list(i)]", "iter(i) is i",
    "[i.read(3), i.readline(), i.readlines()]",
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("body", [BODY, b"", b"\n", b"\n\n\n", b"x"],
                         ids=["lines", "empty", "newline", "newlines", "x"])
def test_input_reads_as_a_file_does(client, script, body):
    def run(stream):
        try:
            return eval(script, {"i": stream})
        except StopIteration:
            return None
    wanted = run(io.BytesIO(body))
    if wanted is None:
        pytest.skip("nothing to take next from")
    r = client.request("POST", "/reading/run?" + urllib.parse.quote(script),
                       body=body)
    assert r.text == repr(wanted)


def test_input_lines_cost_linear_time(client):
    script = "sum(len(line) for line in i)"
    body = b"ab\n" * 400000
    r = client.request("POST", "/reading/run?" + urllib.parse.quote(script),
                       body=body)
    assert r.text == str(len(body))


def test_a_line_of_megabytes(client):
    script = "[len(i.readline()), len(i.readline())]"
    body = b"x" * (3 << 20) + b"\n" + b"y" * 10
    r = client.request("POST", "/reading/run?" + urllib.parse.quote(script),
                       body=body)
    assert r.text == repr([(3 << 20) + 1, 10])


@pytest.mark.parametrize("script", [
    "i.read('5')", "i.read(1, 2)", "i.readline('x')", "i.read(1.5)"])
def test_wrong_arguments_are_a_type_error(client, log, script):
    r = client.request("POST", "/reading/run?" + urllib.parse.quote(script),
                       body=BODY)
    assert r.status == 500
    log("TypeError")


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 200000, 5 << 20])
def test_bodies_of_every_size_come_back(client, size):
    body = os.urandom(size)
    r = client.request("POST", "/echo/application", body=body)
    assert r.body == body


# wsgi.errors

def test_errors_take_any_text(client, log):
    assert get(client, "/errors/writes").text == "fine"
    log("plain line$")
    log("caf\xe9 \u20ac")
    log("lone .*surrogate")
    log("nul .*escape")
    log("two parts$")
    log("printed words$")
    log("long x+")
    log("no newline$")


def test_errors_cannot_forge_a_terminal_escape(each, client, log):
    get(client, "/errors/writes")
    log("nul .*escape")
    assert not [line for line in each.log if "\x1b" in line or "\0" in line]


def test_errors_refuse_bytes(client):
    assert get(client, "/errors/bytes_are_refused").text == "TypeError"


# wsgi.file_wrapper

@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "data"
    path.write_bytes(bytes(range(256)) * 8192)
    return pathlib.Path(path)


def test_file_whole(client, data):
    assert get(client, f"/files/whole?{data}").body == data.read_bytes()


def test_file_head(client, data):
    r = client.request("HEAD", f"/files/whole?{data}")
    assert (r.status, r.body) == (200, b"")


@pytest.mark.parametrize("at", [1, 4095, 1000000, 2097151, 2097152, 9999999])
def test_file_from_its_position(client, data, at):
    r = get(client, f"/files/from_position?{data},{at}")
    assert r.body == data.read_bytes()[at:]


@pytest.mark.parametrize("at, length", [(0, 1), (5, 100000), (300, 0)])
def test_file_not_past_the_length(client, data, at, length):
    r = get(client, f"/files/with_length?{data},{at},{length}")
    assert r["Content-Length"] == str(length)
    assert r.body == data.read_bytes()[at:at + length]


def test_file_shorter_than_its_length(client, data):
    r = get(client, f"/files/with_length?{data},0,9999999", cut=True)
    assert len(r.body) <= 2097152


def test_file_empty(client, tmp_path):
    (tmp_path / "empty").touch()
    r = get(client, f"/files/whole?{tmp_path}/empty")
    assert (r.status, r.body) == (200, b"")


def test_file_object_without_a_descriptor(client, log):
    name = f"reader-{client.name}"
    r = get(client, f"/files/without_fileno?{name}")
    assert r.body == bytes(range(256)) * 64
    log(f"closed {name}")


def test_file_is_closed(client, log, data):
    assert get(client, f"/files/closes?{data}").body == data.read_bytes()
    log("closed file")


def test_file_through_middleware(client, data):
    r = get(client, f"/files/through_middleware?{data}")
    assert r.body == data.read_bytes().swapcase()


def test_file_wrapper_answers_isinstance(client):
    assert get(client, "/files/is_a_class").text == "True"


def test_file_without_sendfile(saola, protocol, data):
    server = saola("files:whole", sendfile=False)
    r = server.client(protocol).request(path=f"/?{data}")
    assert r.body == data.read_bytes()


# environ

def environ(client, path="/environ/dump", params=None, **more):
    return json.loads(client.request("GET", path, params, **more).body)


def test_environ_is_a_dict_of_str(client):
    r = json.loads(get(client, "/environ/types").body)
    kind, odd, strange = r
    assert (kind, strange) == ("dict", [])
    assert set(odd) == {"wsgi.version", "wsgi.input", "wsgi.errors",
                        "wsgi.multithread", "wsgi.multiprocess",
                        "wsgi.run_once", "wsgi.file_wrapper",
                        "wsgi.input_terminated"}


def test_environ_of_wsgi(client, worker_class):
    env = environ(client)
    assert env["wsgi.version"] == "(1, 0)"
    assert env["wsgi.url_scheme"] == "http"
    assert env["wsgi.multithread"] == str(worker_class == "threaded")
    assert env["wsgi.multiprocess"] == "True"
    assert env["wsgi.run_once"] == "False"
    assert env["wsgi.input_terminated"] == "True"
    assert "wsgi.early_hints" not in env


def test_one_worker_is_not_multiprocess(saola, protocol):
    server = saola("environ:dump", workers=1)
    assert environ(server.client(protocol))["wsgi.multiprocess"] == "False"


def test_environ_may_be_kept(saola, protocol):
    client = saola("environ:keep").client(protocol)
    shown = [json.loads(get(client, f"/?n={n}").body) for n in range(3)]
    assert [[q, m] for q, m, _ in shown[2]] == [
        ["n=0", "0"], ["n=1", "1"], ["n=2", "2"]]
    assert shown[2][0] == shown[0][0]


def test_wsgiref_validate_finds_nothing(saola, protocol):
    server = saola("validated:application")
    client = server.client(protocol)
    assert client.request("GET", "/a?b").text == "body of 0"
    assert client.request("POST", "/a", body=b"12345").text == "body of 5"
    assert client.request("HEAD", "/a").body == b""
    server.wait_log("validated")
    assert not server.grep("AssertionError|Traceback|WSGIWarning")


def test_threads_of_the_application_run_between_requests(saola, protocol):
    server = saola("process:background")
    client = server.client(protocol)
    get(client, "/")
    server.wait_for(lambda: int(get(client, "/").text) > 3)


def test_preloaded_application(saola, protocol):
    server = saola("hello:application", workers=2, preload=True)
    assert get(server.client(protocol), "/").body == b"hello\n"

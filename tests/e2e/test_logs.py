# SPDX-License-Identifier: MIT
"""The access log's atoms, escaping, and reopening; the error log."""

import datetime
import re
import signal

import pytest

CLASSES = ("sync", "threaded")


@pytest.fixture
def ask(saola, protocol, tmp_path):
    """One request with this format: the line of the access log."""
    def run(form, path="/", params=None, method="GET", body=b"",
            app="hello:application", cut=False):
        file = tmp_path / "access.log"
        server = saola(app, access_logfile=file, access_logformat=form)
        server.client(protocol).request(method, path, params, body, cut)
        server.wait_for(lambda: file.exists() and file.stat().st_size)
        text = file.read_text()
        assert text.endswith("\n") and text.count("\n") == 1
        return text[:-1]
    return run


def test_off_by_default(saola, protocol):
    server = saola("hello:application")
    server.client(protocol).request()
    server.stop()
    assert not server.grep("GET /") and server.out.lines == []


def test_the_default_is_the_combined_format(saola, protocol):
    server = saola("hello:application", access_logfile="-")
    server.client(protocol).request("GET", "/a?b=c", {
        "HTTP_REFERER": "http://r/", "HTTP_USER_AGENT": "agent"})
    server.wait_for(lambda: server.out.lines)
    assert re.fullmatch(
        r'192\.0\.2\.7 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
        r'"GET /a\?b=c HTTP/1\.1" 200 6 "http://r/" "agent"',
        server.out.lines[0])


def test_a_missing_referer_is_a_dash(saola, protocol):
    server = saola("hello:application", access_logfile="-")
    server.client(protocol).request("GET", "/", {"HTTP_USER_AGENT": None})
    server.wait_for(lambda: server.out.lines)
    assert server.out.lines[0].endswith('200 6 "-" "-"')


@pytest.mark.parametrize("form, wanted", [
    ("%(h)s", "192.0.2.7"), ("%(l)s", "-"), ("%(u)s", "joe"),
    ("%(r)s", "GET /p%20q?x=%20y HTTP/1.1"), ("%(m)s", "GET"),
    ("%(U)s", "/p q"), ("%(q)s", "x=%20y"), ("%(H)s", "HTTP/1.1"),
    ("%(s)s", "200"), ("%(b)s", "6"), ("%(B)s", "6"),
    ("%(f)s", "http://r/"), ("%(a)s", "agent"),
    ("%({X-Mine}i)s", "in"), ("%({x-mine}i)s", "in"),
    ("%({Content-Type}o)s", "text/plain"), ("%({content-TYPE}o)s",
                                            "text/plain"),
    ("%({SERVER_NAME}e)s", "example.test"),
    ("%({no-such}i)s|%({no-such}o)s|%({NO_SUCH}e)s", "-|-|-"),
    ("%(app)s", "hello"), ("%(wid)s", "0"), ("%(why)s", "ok"),
    ("%(rx)s", "0"),
    ("plain %% and %(m)s, twice %(m)s", "plain % and GET, twice GET"),
])
def test_atoms(ask, form, wanted):
    assert ask(form, "/p%20q?x=%20y", {
        "REMOTE_USER": "joe", "HTTP_REFERER": "http://r/",
        "HTTP_USER_AGENT": "agent", "HTTP_X_MINE": "in"}) == wanted


def test_the_date(ask):
    line = ask("%(t)s")
    then = datetime.datetime.strptime(line, "[%d/%b/%Y:%H:%M:%S %z]")
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((now - then).total_seconds()) < 30


def test_durations(ask):
    line = ask("%(T)s %(M)s %(D)s %(L)s")
    seconds, milli, micro, decimal = line.split()
    assert 0 < int(micro) < 30_000_000
    assert int(milli) == int(micro) // 1000
    assert int(seconds) == int(micro) // 1_000_000
    assert re.fullmatch(r"\d+\.\d{6}", decimal)


def test_the_process(saola, protocol):
    server = saola("hello:application", access_logfile="-",
                   access_logformat="%(p)s")
    server.client(protocol).request()
    server.wait_for(lambda: server.out.lines)
    assert server.out.lines == [f"<{server.workers()[0]}>"]


def test_an_empty_body_is_a_dash_and_a_zero(ask):
    assert ask("%(b)s %(B)s %(s)s", method="HEAD") == "- 0 200"


def test_bytes_received(ask):
    line = ask("%(rx)s %(m)s", method="POST", body=b"x" * 300,
               app="echo:application")
    assert line == "300 POST"


def test_bytes_sent_are_those_of_the_body(ask):
    assert ask("%(B)s", "/?3", app="body:megabytes") == str(3 << 20)


def test_an_error_is_logged_with_its_status(ask):
    line = ask("%(s)s %(r)s", "/?ValueError", app="failure:before")
    assert line == "500 GET /?ValueError HTTP/1.1"


def test_a_truncated_response_says_why(ask):
    line = ask("%(s)s %(why)s", "/?ValueError", cut=True,
               app="failure:after_first_chunk")
    assert line == "200 truncated"


def test_a_client_that_left_is_499(saola, protocol):
    server = saola("closing:client_leaves", access_logfile="-",
                   access_logformat="%(s)s %(why)s")
    with server.client(protocol).connect() as conn:
        conn.send(server.client(protocol).wire("GET", "/?x"))
        conn.recv(100)
    server.wait_for(lambda: server.out.lines)
    assert server.out.lines == ["499 aborted"]


def test_request_ids_differ(saola, protocol):
    server = saola("hello:application", access_logfile="-",
                   access_logformat="%(reqid)s")
    for _ in range(20):
        server.client(protocol).request()
    server.wait_for(lambda: len(server.out.lines) == 20)
    assert len(set(server.out.lines)) == 20 and "-" not in server.out.lines


@pytest.mark.parametrize("value", [
    'quote " inside', "back\\slash", "tab\there", "bell\x07", "esc\x1b[31m",
    "high \xff\xfe", "del\x7f", 'end\\" 200 1 "forged',
])
def test_values_are_escaped(ask, value):
    line = ask('<"%(a)s">', params={"HTTP_USER_AGENT": value})
    inner = re.fullmatch('<"(.*)">', line).group(1)
    assert re.fullmatch(r"[\x20-\x7e\x80-\U0010ffff]*", inner)
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inner), "an unescaped quote"


def test_a_path_cannot_forge_a_line(ask):
    line = ask("%(U)s", params={"PATH_INFO": "/a\r\n127.0.0.1 forged",
                                "SCRIPT_NAME": "", "REQUEST_URI": "/a"})
    assert "forged" in line and "\r" not in line


def test_a_long_line_is_whole_or_cut_but_one(ask):
    line = ask("%(a)s|%(q)s", "/?" + "q" * 15000,
               {"HTTP_USER_AGENT": "a" * 15000})
    assert line.startswith("aaaa")


def test_one_line_for_each_request(saola, protocol, tmp_path):
    file = tmp_path / "access.log"
    server = saola("hello:application", workers=2, access_logfile=file,
                   access_logformat="%(q)s")
    for n in range(200):
        server.client(protocol).request("GET", f"/?{n}")
    server.wait_for(lambda: len(file.read_text().splitlines()) == 200)
    assert sorted(map(int, file.read_text().splitlines())) == list(range(200))


def test_all_requests_of_a_kept_connection_are_logged(saola):
    server = saola("hello:application", access_logfile="-",
                   access_logformat="%(q)s")
    with server.client("fastcgi").connect() as conn:
        for n in range(50):
            conn.send_request("GET", f"/?{n}")
            assert conn.response().status == 200
    server.wait_for(lambda: len(server.out.lines) == 50)
    assert server.out.lines == [str(n) for n in range(50)]


def test_usr1_reopens_the_access_log(saola, protocol, tmp_path):
    file, old = tmp_path / "access.log", tmp_path / "access.log.1"
    server = saola("hello:application", workers=2, access_logfile=file,
                   access_logformat="%(q)s")
    client = server.client(protocol)
    client.request("GET", "/?before")
    server.wait_for(lambda: "before" in file.read_text())
    file.rename(old)
    server.signal(signal.SIGUSR1)

    def reopened():
        client.request("GET", "/?after")
        return file.exists() and "after" in file.read_text()
    server.wait_for(reopened)
    assert "before" in old.read_text()
    assert "before" not in file.read_text()


def test_usr1_reopens_the_error_log(saola, protocol, tmp_path):
    file, old = tmp_path / "error.log", tmp_path / "error.log.1"
    server = saola("errors:writes", error_logfile=file, ready=False)
    server.wait_for(lambda: file.exists() and "ready (" in file.read_text())
    server.settle()
    client = server.client(protocol)
    assert client.request().text == "fine"
    server.wait_for(lambda: "plain line" in file.read_text())
    file.rename(old)
    server.signal(signal.SIGUSR1)

    def reopened():
        client.request()
        return file.exists() and "plain line" in file.read_text()
    server.wait_for(reopened)
    assert server.log == []


def test_an_access_log_that_cannot_be_made_stops_the_start(saola, tmp_path):
    server = saola("hello:application", ready=False,
                   access_logfile=tmp_path / "no" / "such" / "access.log")
    server.expect_log("access.log")
    assert server.wait_exit() == 1
    assert server.grep("access.log")


def test_an_unknown_atom_is_an_error(saola):
    server = saola("hello:application", ready=False, access_logfile="-",
                   access_logformat="%(nonsense)s")
    server.expect_log("nonsense")
    assert server.wait_exit() == 2
    assert server.grep("nonsense")


def test_the_level_is_honoured(saola, protocol):
    server = saola("start:large_head", log_level="warn", ready=False)
    r = server.client(protocol).request("GET", "/?5")
    assert r.status == 200
    server.wait_log("warn ")
    server.settle()
    assert not server.grep(" info ")


def test_lines_have_time_level_and_process(saola):
    server = saola("hello:application")
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
                        r"(debug|info |warn |error|crit ) \[\d+\] ", line)
               for line in server.log)
    assert server.grep(rf"\[{server.pid}\] app hello: ready \(1 worker")


def test_output_goes_where_it_went_without_capture(saola, protocol):
    server = saola("printing:application")
    server.client(protocol).request()
    server.wait_for(lambda: "printed to stderr" in server.log)
    server.wait_for(lambda: "printed to stdout" in server.out.lines)


def test_captured_output_is_in_the_error_log(saola, protocol):
    server = saola("printing:application", capture_output=True)
    server.client(protocol).request()
    for text in ("printed to stdout", "printed to stderr"):
        line = server.wait_log(text)
        assert re.match(r"\d{4}-\d\d-\d\d .*\[\d+\] ", line)
    assert "printed to stdout" not in server.out.lines

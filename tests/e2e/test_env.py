# SPDX-License-Identifier: MIT
"""From parameters to the environ, with exactly the parameters that are sent."""

import json

import pytest

CLASSES = ("sync", "threaded")

PLAIN = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/environ/dump"),
         ("PATH_INFO", "/environ/dump")]


@pytest.fixture(scope="module")
def live(shared):
    """Serves environ.dump whatever the path is."""
    return shared.saola("environ:dump", workers=1)


@pytest.fixture
def client(live, protocol):
    return live.client(protocol)


def ask(client, pairs, body=b""):
    """The response to exactly these pairs."""
    return client.exchange(client.bare(pairs, body))


def environ(client, pairs, body=b""):
    r = ask(client, pairs, body)
    assert r.status == 200, r
    return json.loads(r.body)


def with_(**more):
    """PLAIN and these."""
    return PLAIN + list(more.items())


# SCRIPT_NAME and PATH_INFO

@pytest.mark.parametrize("script, path, wanted", [
    ("/", "", ("", "/")),
    ("/", "app", ("", "/app")),
    ("/", "//x", ("", "//x")),
    ("/", "/app", ("", "/app")),
    ("/", "/application", ("", "/application")),
    ("//", "", ("", "//")),
    ("//", "app", ("", "/app")),
    ("//", "//x", ("", "//x")),
    ("//", "/app", ("", "/app")),
    ("//", "/application", ("", "/application")),
    ("app", "", ("", "/app")),
    ("app", "app", ("/app", "")),
    ("app", "//x", ("/app", "//x")),
    ("app", "/app", ("/app", "")),
    ("app", "/application", ("/app", "/application")),
    ("/app/", "", ("", "/app/")),
    ("/app/", "app", ("/app", "")),
    ("/app/", "//x", ("/app", "//x")),
    ("/app/", "/app", ("/app", "")),
    ("/app/", "/application", ("/app", "/application")),
    ("/app", "/app/x", ("/app", "/x")),
    (None, None, ("", "/")),
    ("", "", ("", "/")),
    (None, "/x", ("", "/x")),
    ("/x/y", None, ("", "/x/y")),
    ("/x", "/y", ("/x", "/y")),
    (None, "/caf\xc3\xa9", ("", "/caf\xc3\xa9")),
    (None, "/a%2fb%2e%2e", ("", "/a%2fb%2e%2e")),
    (None, "/../a/./b//c", ("", "/../a/./b//c")),
    (None, "/a b\r\nc", ("", "/a b\r\nc")),
    (None, "*", ("", "/*")),
])
def test_script_name_and_path_info(client, script, path, wanted):
    pairs = [("REQUEST_METHOD", "GET")]
    if script is not None:
        pairs.append(("SCRIPT_NAME", script))
    if path is not None:
        pairs.append(("PATH_INFO", path))
    env = environ(client, pairs)
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == wanted


@pytest.mark.parametrize("uri, script, path, wanted", [
    # The prefix was sent but not taken off: it is, once.
    ("/us/x", "/us", "/us/x", ("/us", "/x")),
    # A path that really begins twice with it stays whole.
    ("/us/us/x", "/us", "/us/x", ("/us", "/us/x")),
    # Neither was sent: the URI's path, decoded once.
    ("/a%20b/%63?q", "", "", ("", "/a b/c")),
    ("/a%252Fb", "", "", ("", "/a%2Fb")),
    ("/bad%zz%4", "", "", ("", "/bad%zz%4")),
    ("http://host/p/q?x", "", "", ("", "/p/q")),
    ("http://host", "", "", ("", "/")),
    ("//evil/x", "", "", ("", "//evil/x")),
    ("/x#frag", "", "", ("", "/x")),
    ("*", "", "", ("", "/*")),
    ("", "", "", ("", "/")),
])
def test_path_and_request_uri(client, uri, script, path, wanted):
    env = environ(client, [
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", uri),
        ("SCRIPT_NAME", script), ("PATH_INFO", path)])
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == wanted
    assert env["REQUEST_URI"] == uri


def test_path_from_the_request_uri(saola, protocol):
    client = saola("environ:dump", path_source="request-uri").client(protocol)
    env = environ(client, [
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a/../b//c%20d?x=1"),
        ("SCRIPT_NAME", "/b/c d"), ("PATH_INFO", "")])
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ("", "/a/../b//c d")


@pytest.mark.parametrize("path, wanted", [
    ("/shop/cart", ("/shop", "/cart")), ("/shop", ("/shop", "")),
    ("/shop/", ("/shop", "/")), ("/cart", ("/shop", "/cart")),
    ("/shopping", ("/shop", "/shopping")),
])
def test_root_path(saola, protocol, path, wanted):
    client = saola("environ:dump", root_path="/shop").client(protocol)
    env = environ(client, [("REQUEST_METHOD", "GET"), ("PATH_INFO", path)])
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == wanted


def test_60_kb_of_uri(client):
    uri = "/" + "a" * 30000 + "?" + "b" * 30000
    env = environ(client, [("REQUEST_METHOD", "GET"), ("REQUEST_URI", uri)])
    assert env["PATH_INFO"] == uri.partition("?")[0]
    assert env["QUERY_STRING"] == "b" * 30000


# Method, length, query

@pytest.mark.parametrize("method", ["GET", "PROPFIND", "get", "X" * 64,
                                    "M-SEARCH", "!#$%&'*+-.^_`|~"])
def test_methods_pass_as_sent(client, method):
    env = environ(client, [("REQUEST_METHOD", method), ("PATH_INFO", "/")])
    assert env["REQUEST_METHOD"] == method


@pytest.mark.parametrize("method", ["", "GE T", "X" * 65, "GET\r\n", "G\xe9T",
                                    "GET/", None])
def test_methods_that_are_refused(client, method):
    pairs = [("PATH_INFO", "/")]
    if method is not None:
        pairs.append(("REQUEST_METHOD", method))
    assert ask(client, pairs).status == 400


@pytest.mark.parametrize("uri, query, wanted", [
    ("/a?x=1", "y=2", "y=2"), ("/a?x=1", "", ""), ("/a?x=1?y", None, "x=1?y"),
    ("/a", None, ""), ("/a?", None, ""), (None, None, ""),
])
def test_query_string(client, uri, query, wanted):
    pairs = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/")]
    if uri is not None:
        pairs.append(("REQUEST_URI", uri))
    if query is not None:
        pairs.append(("QUERY_STRING", query))
    assert environ(client, pairs)["QUERY_STRING"] == wanted


def test_empty_content_keys_are_left_out(client):
    env = environ(client, with_(CONTENT_LENGTH="", CONTENT_TYPE=""))
    assert "CONTENT_LENGTH" not in env and "CONTENT_TYPE" not in env


def test_content_keys(client):
    env = environ(client, with_(CONTENT_LENGTH="00005", CONTENT_TYPE="a/b"),
                  b"12345")
    assert (env["CONTENT_LENGTH"], env["CONTENT_TYPE"]) == ("5", "a/b")


def test_a_length_that_was_not_told_is_counted_on_fastcgi(live):
    env = environ(live.client("fastcgi"), PLAIN, b"1234567")
    assert env["CONTENT_LENGTH"] == "7"


def test_required_keys_are_always_there(client):
    env = environ(client, [("REQUEST_METHOD", "GET")])
    assert env["SCRIPT_NAME"] == "" and env["PATH_INFO"] == "/"
    assert env["QUERY_STRING"] == ""
    assert env["SERVER_NAME"] and env["SERVER_PORT"] == "80"
    assert env["SERVER_PROTOCOL"] == "HTTP/1.1"


# Repeated, dropped and odd parameters

def test_repeated_headers_are_joined(client):
    env = environ(client, PLAIN + [
        ("HTTP_COOKIE", "a=1"), ("HTTP_X_A", "1"), ("HTTP_COOKIE", "b=2"),
        ("HTTP_X_A", "2"), ("HTTP_COOKIE", "c=3"), ("HTTP_X_A", "")])
    assert env["HTTP_COOKIE"] == "a=1; b=2; c=3"
    assert env["HTTP_X_A"] == "1, 2, "


@pytest.mark.parametrize("name", [
    "HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_REFERER", "HTTP_ORIGIN",
    "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE",
    "HTTP_MAX_FORWARDS", "HTTP_X_REQUEST_START", "REMOTE_USER", "MY_PARAM",
])
def test_of_single_parameters_the_last_wins(client, name):
    env = environ(client, PLAIN + [(name, "first"), (name, "last")])
    assert env[name] == "last"


def test_script_name_twice_is_the_last(client):
    env = environ(client, [
        ("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/a"),
        ("PATH_INFO", "/x"), ("SCRIPT_NAME", "/b")])
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ("/b", "/x")


def test_the_same_length_twice_is_accepted(client):
    env = environ(client, PLAIN + [("CONTENT_LENGTH", "5"),
                                   ("CONTENT_LENGTH", "5")], b"12345")
    assert env["CONTENT_LENGTH"] == "5"


def test_different_lengths_are_refused(client):
    r = ask(client, PLAIN + [("CONTENT_LENGTH", "5"),
                             ("CONTENT_LENGTH", "6")], b"12345")
    assert r.status == 400


@pytest.mark.parametrize("name", [
    "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE",
    "HTTP_TRANSFER_ENCODING", "HTTP_TE", "HTTP_TRAILER", "HTTP_KEEP_ALIVE",
    "HTTP_PROXY_CONNECTION", "HTTP_EXPECT", "HTTP_CONNECTION", "HTTP_UPGRADE",
    "saola.x", "asgi.x", "wsgi.x",
])
def test_parameters_that_are_dropped(client, name):
    assert name not in environ(client, PLAIN + [(name, "x")])


def test_the_true_length_wins_over_the_header(client):
    env = environ(client, PLAIN + [("HTTP_CONTENT_LENGTH", "999"),
                                   ("CONTENT_LENGTH", "5")], b"12345")
    assert env["CONTENT_LENGTH"] == "5"


def test_reserved_names_cannot_be_forged(client):
    env = environ(client, PLAIN + [("wsgi.url_scheme", "https"),
                                   ("wsgi.input", "x"),
                                   ("wsgi.multithread", "x")])
    assert env["wsgi.url_scheme"] == "http"
    assert env["wsgi.input"] != "x"
    assert env["wsgi.multithread"] in ("False", "True")


def test_everything_else_passes(client):
    more = {
        "SSL_CLIENT_S_DN": "CN=a", "DOCUMENT_ROOT": "/srv", "REDIRECT_X": "1",
        "REMOTE_USER": "joe", "AUTH_TYPE": "Basic", "lower_case": "x",
        "RAW_URI": "/%61", "UWSGI_FILE": "exec://id", "PATH": "/evil",
        "SCRIPT_FILENAME": "proxy:fcgi://x", "HTTPS": "off",
        "N\xe9": "\xe9\xff", "EMPTY": "", "HTTP_X_EMPTY": "",
    }
    env = environ(client, PLAIN + list(more.items()))
    assert {name: env.get(name) for name in more} == more


def test_remote_user_may_be_switched_off(saola, protocol):
    client = saola("environ:dump", remote_user=False).client(protocol)
    env = environ(client, with_(REMOTE_USER="joe", AUTH_TYPE="Basic"))
    assert "REMOTE_USER" not in env and "AUTH_TYPE" not in env


@pytest.mark.parametrize("name, value", [
    ("X\0Y", "v"), ("X=Y", "v"), ("X\rY", "v"), ("X\nY", "v"), ("X Y", "v"),
    ("X\x7f", "v"), ("X", "a\0b"), ("HTTP_X", "a\rb"), ("HTTP_X", "a\nb"),
    ("HTTP_X", "a\r\nb"),
])
def test_bytes_that_are_refused(client, name, value):
    assert ask(client, PLAIN + [(name, value)]).status == 400


def test_line_ends_are_accepted_outside_headers(client):
    assert environ(client, with_(MY_PARAM="a\r\nb"))["MY_PARAM"] == "a\r\nb"


# Scheme, server, client

@pytest.mark.parametrize("pairs, scheme", [
    ([], "http"),
    ([("HTTPS", "on")], "https"), ([("HTTPS", "ON")], "https"),
    ([("HTTPS", "1")], "https"), ([("HTTPS", "true")], "https"),
    ([("HTTPS", "https")], "https"), ([("HTTPS", "off")], "http"),
    ([("HTTPS", "0")], "http"), ([("HTTPS", "")], "http"),
    ([("REQUEST_SCHEME", "https")], "https"),
    ([("REQUEST_SCHEME", "HTTPS")], "http"),
    ([("REQUEST_SCHEME", "ftp")], "http"),
    ([("UWSGI_SCHEME", "https")], "https"),
    ([("REQUEST_SCHEME", "http"), ("UWSGI_SCHEME", "https")], "http"),
    ([("HTTPS", "off"), ("REQUEST_SCHEME", "https")], "https"),
    ([("HTTP_X_FORWARDED_PROTO", "https")], "http"),
    ([("HTTP_X_FORWARDED_PROTO", "javascript")], "http"),
])
def test_scheme(client, pairs, scheme):
    assert environ(client, PLAIN + pairs)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("value, scheme", [
    ("https", "https"), ("http", "http"), ("https, http", "http"),
    ("ftp", "http"), ("", "http")])
def test_forwarded_scheme_of_a_trusted_peer(saola, protocol, value, scheme):
    client = saola("environ:dump", trusted_proxies="unix").client(protocol)
    env = environ(client, with_(HTTP_X_FORWARDED_PROTO=value))
    assert env["wsgi.url_scheme"] == scheme


def test_forwarded_scheme_by_network(saola, protocol):
    server = saola("environ:dump", bind="tcp", trusted_proxies="127.0.0.0/8")
    env = environ(server.client(protocol),
                  with_(HTTP_X_FORWARDED_PROTO="https"))
    assert env["wsgi.url_scheme"] == "https"


def test_scheme_may_be_forced(saola, protocol):
    client = saola("environ:dump", url_scheme="https").client(protocol)
    env = environ(client, with_(REQUEST_SCHEME="http"))
    assert (env["wsgi.url_scheme"], env["SERVER_PORT"]) == ("https", "443")


@pytest.mark.parametrize("sent, host, wanted", [
    ("h:80", None, "h"), ("[::1]:80", None, "[::1]"), ("[::1]", None, "[::1]"),
    ("h", "other", "h"), ("", "from.host:8080", "from.host"),
    (None, "from.host", "from.host"), ("", "[::2]:80", "[::2]"),
])
def test_server_name(client, sent, host, wanted):
    pairs = list(PLAIN)
    if sent is not None:
        pairs.append(("SERVER_NAME", sent))
    if host is not None:
        pairs.append(("HTTP_HOST", host))
    assert environ(client, pairs)["SERVER_NAME"] == wanted


def test_server_name_is_never_empty(client):
    assert environ(client, with_(SERVER_NAME=""))["SERVER_NAME"]


@pytest.mark.parametrize("port, https, wanted", [
    ("8080", "", "8080"), ("", "", "80"), ("0", "", "80"), ("abc", "", "80"),
    ("65536", "", "80"), ("", "on", "443"), ("0", "on", "443"),
    ("-1", "", "80"), ("65535", "", "65535"),
])
def test_server_port(client, port, https, wanted):
    env = environ(client, with_(SERVER_PORT=port, HTTPS=https))
    assert env["SERVER_PORT"] == wanted


def test_remote_address_comes_from_the_proxy(client):
    env = environ(client, with_(REMOTE_ADDR="192.0.2.9", REMOTE_PORT="77"))
    assert (env["REMOTE_ADDR"], env["REMOTE_PORT"]) == ("192.0.2.9", "77")


# Many parameters, and the templates behind the environ

def test_environs_of_different_shapes_do_not_mix(client):
    for n in range(200):
        names = [f"HTTP_X_{i}" for i in range(n % 17)]
        env = environ(client, PLAIN + [(name, f"{name}={n}")
                                       for name in names]
                      + [("SERVER_NAME", f"host{n % 3}"), ("LAST", str(n))])
        assert {k: v for k, v in env.items() if k.startswith("HTTP_")} == {
            name: f"{name}={n}" for name in names}
        assert (env["SERVER_NAME"], env["LAST"]) == (f"host{n % 3}", str(n))


def test_a_thousand_parameters(client):
    pairs = PLAIN + [(f"P{n}", str(n)) for n in range(1000 - len(PLAIN))]
    assert environ(client, pairs)["P996"] == "996"


def test_more_than_a_thousand_parameters(live, client):
    pairs = PLAIN + [(f"P{n}", str(n)) for n in range(1001)]
    assert ask(client, pairs).status == 431
    live.wait_log("params_count")

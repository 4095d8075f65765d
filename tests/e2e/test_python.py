# SPDX-License-Identifier: MIT
"""The interpreter: finding the application, and what it sees of its process."""

import json
import os
import re

import pytest

CLASSES = ("sync", "threaded")


def get(server, path="/", protocol="fastcgi", **more):
    return server.client(protocol).request("GET", path, **more)


# The application's name

@pytest.mark.parametrize("name, text", [
    ("named", "default"),
    ("named:application", "default"),
    ("named:site.deep.application", "dotted"),
    ("named:instance", "instance"),
    ("named:instance.method", "bound method"),
    ("named:factory()", "((), {})"),
    ("named:factory('x', k=1)", "(('x',), {'k': 1})"),
    ("named:site.make([1, (None, -2.5)], a={'b': b'c'})",
     "(([1, (None, -2.5)],), {'a': {'b': b'c'}})"),
])
def test_applications_are_found_by_name(saola, name, text):
    assert get(saola(name)).text == text


@pytest.mark.parametrize("name, code, said", [
    ("no_such_module", 3, "ModuleNotFoundError: No module named "
                          "'no_such_module'"),
    ("named:missing", 4, "module 'named' has no attribute 'missing'"),
    ("named:site.missing.x", 4, "'site' has no attribute 'missing'"),
    ("named:text", 4, "named:text is not callable, it is of type str"),
    ("named:answer('x').y", 4, "not a list of literal arguments"),
    ("named:factory(open('x'))", 4, "not a list of literal arguments"),
    ("named:factory(", 4, "not a list of literal arguments"),
    ("named:factory(**{})", 4, "not a list of literal arguments"),
    ("named:factory(*[])", 4, "not a list of literal arguments"),
    ("named:answer()", 3, "TypeError: answer"),
])
@pytest.mark.parametrize("preload", [False, True])
def test_names_that_lead_nowhere(saola, name, code, said, preload):
    server = saola(name, ready=False, preload=preload)
    assert server.wait_exit() == code
    server.wait_log("failed to boot: .*" + re.escape(said))


# The interpreter

def test_sys_path_and_argv(saola, tmp_path):
    server = saola("inside:interpreter", pythonpath=["one", "/two"])
    argv, prefix, version, path = json.loads(get(server).body)
    assert argv[-1] == "inside:interpreter"
    assert (prefix, version) == ("/usr", [3, 11])
    apps = os.path.dirname(os.path.dirname(__file__)) + "/apps"
    assert path[:3] == [apps + "/one", "/two", apps]


def make_venv(place, version):
    (place / "bin").mkdir(parents=True)
    site = place / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "only_here.py").write_text("from inside import interpreter\n")
    (place / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\n{version}\n")
    return place


@pytest.mark.parametrize("version", ["version = 3.11.2",
                                     "version_info = 3.11.9.final.0"])
def test_venv(saola, tmp_path, version):
    venv = make_venv(tmp_path / "venv", version)
    server = saola("only_here:interpreter", venv=venv)
    _, prefix, _, path = json.loads(get(server).body)
    assert prefix == str(venv)
    assert str(venv / "lib/python3.11/site-packages") in path
    assert "/usr/lib/python3/dist-packages" not in path


@pytest.mark.parametrize("version, shown", [
    ("version = 3.12.1", "3.12.1"), ("version_info = 3.9.2.final.0", "3.9.2"),
    ("version = 3.111.0", "3.111.0"), ("version = new", "new")])
def test_a_venv_for_another_python_is_one_sentence(
        saola, tmp_path, version, shown):
    venv = make_venv(tmp_path / "venv", version)
    server = saola("only_here:interpreter", venv=venv, ready=False)
    assert server.wait_exit() == 3
    server.wait_log(f"venv {venv} is for Python {shown}.*Python 3.11: "
                    f"make it again with /usr/bin/python3 -m venv {venv}")
    assert not server.grep("Traceback|Fatal")


def test_a_venv_that_is_none(saola, tmp_path):
    server = saola("hello:application", venv=tmp_path, ready=False)
    assert server.wait_exit() == 3
    server.wait_log("pyvenv.cfg: No such file")


# Inside the process

@pytest.mark.parametrize("preload", [False, True])
def test_module_saola(saola, preload):
    server = saola("inside:module", preload=preload)
    version, worker, generation, outside = json.loads(get(server).body)
    assert version.count(".") == 2
    assert worker == 0 and generation >= 1
    assert outside == [None, None]


def test_context_variables_end_with_their_request(saola, protocol):
    client = saola("inside:context").client(protocol)
    for _ in range(3):
        assert json.loads(client.request().body) == ["unset", "at import"]


def test_the_body_is_made_in_the_requests_context(saola, protocol):
    client = saola("inside:lazy_context").client(protocol)
    assert client.request().text == "by the call"


def test_disconnected(saola, protocol):
    server = saola("inside:disconnected")
    client = server.client(protocol)
    with client.connect() as conn:
        conn.send(client.wire("GET", "/"))
        assert conn.recv()
    server.wait_log("told True")
    assert get(saola("inside:module")).status == 200


def test_threads_end_and_exit_handlers_run(saola):
    server = saola("inside:at_exit", capture_output=True)
    assert get(server).status == 200
    assert server.stop() == 0
    lines = server.grep("thread ends|exit handler")
    assert [line.split(": ")[-1] for line in lines] == [
        "thread ends", "exit handler"]


def test_output_is_captured(saola):
    server = saola("inside:prints", capture_output=True)
    get(server, "/x")
    server.wait_log("info .*app inside: GET /x: to stdout$")
    server.wait_log("error .*app inside: GET /x: to stderr$")
    assert not server.out.lines


def test_output_is_not_touched_otherwise(saola):
    server = saola("inside:prints")
    get(server)
    server.stop()
    assert server.out.lines == ["to stdout"]
    assert server.grep("^to stderr$")


# Warnings that come once

@pytest.mark.parametrize("status, warned", [(204, 1), (304, 1), (200, 0)])
def test_a_body_where_there_is_none_is_warned_of_once(
        saola, protocol, status, warned):
    server = saola("inside:body_without_one")
    client = server.client(protocol)
    for _ in range(3):
        r = client.request("HEAD" if status == 200 else "GET", f"/?{status}")
        assert (r.status, r.body) == (status, b"")
    server.stop()
    assert len(server.grep("sends a body with status")) == warned

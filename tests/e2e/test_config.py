# SPDX-License-Identifier: MIT
"""What the command line and the configuration file answer before anything is
started. The sentences themselves are in tests/unit/test_conf.c."""

import os
import subprocess

import pytest

from server import BINARY


@pytest.fixture
def run(tmp_path):
    """Runs saola in a directory of its own; gives (exit code, out, err)."""
    def call(*args, config=None, **env):
        if config is not None:
            (tmp_path / "c.conf").write_text(config)
            args = ("-c", "c.conf", *args)
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("SAOLA_", "GUNICORN_"))}
        done = subprocess.run([BINARY, *args], cwd=tmp_path, text=True,
                              env=clean | env, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=30)
        return done.returncode, done.stdout, done.stderr
    return call


def test_no_application_is_the_usage_sentence(run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err == ("saola: no application; usage: saola [OPTIONS] "
                   "MODULE:CALLABLE, or saola [OPTIONS] -c FILE\n")


def test_unknown_option_is_answered_with_a_suggestion(run):
    assert run("--wrokers", "2", "a:a") == (
        2, "", "saola: command line: unknown option --wrokers, did you mean "
        "--workers?\n")


def test_unknown_key_is_answered_with_its_line_and_a_suggestion(run):
    assert run(config="[app a]\nbindd = x\n") == (
        2, "", "saola: c.conf:2: unknown key bindd, did you mean bind?\n")


def test_missing_file_is_named(run):
    assert run("-c", "none.conf") == (
        2, "", "saola: none.conf: No such file or directory\n")


def test_help_and_version_go_to_stdout(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: saola [OPTIONS] MODULE:CALLABLE\n")
    assert "-w, --workers" in out
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out.startswith("saola 0.")


def test_print_config_says_who_set_what_and_loads_back(run):
    code, out, err = run("--print-config", "-w", "3", "shop:app",
                         SAOLA_CMD_ARGS="-b unix:x")
    assert (code, err) == (0, "")
    assert "[app shop]\n" in out
    assert "# from command line\nworkers = 3\n" in out
    assert "# from SAOLA_CMD_ARGS\nbind = unix:x\n" in out
    code, again, err = run("--print-config", config=out)
    assert (code, err) == (0, "")

    def values(text):
        return [line for line in text.splitlines() if line[:1] != "#"]
    assert values(again) == values(out)


def test_port_and_gunicorns_arguments_are_spoken_of(run):
    code, out, err = run("--print-config", "a:a", PORT="5000",
                         GUNICORN_CMD_ARGS="--workers=7 --reuse-port")
    assert code == 0
    assert "# from GUNICORN_CMD_ARGS\nworkers = 7\n" in out
    assert "PORT is ignored" in err
    assert "options are taken from GUNICORN_CMD_ARGS" in err
    assert "warn  " in err and "reuse-port has no effect" in err


def test_sample_file_is_a_configuration(run):
    code, sample, err = run("--doc", "conf")
    assert (code, err) == (0, "")
    code, out, err = run("--print-config", config=sample)
    assert (code, err) == (0, "")
    assert "application = shop.wsgi:application\n" in out

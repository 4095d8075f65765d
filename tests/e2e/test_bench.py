# SPDX-License-Identifier: MIT
"""The benchmark's load generator: what it sends, and that it takes no wrong
answer for a right one.
"""

import json
import socket
import struct
import subprocess
import threading

import pytest

BODY = b"Hello, world!\n"
HEAD = b"Content-Type: text/plain\r\n"
LENGTH = b"Content-Length: 14\r\n"


class Peer:
    """A server that reads a request and writes what it was told to.

    The first request gets the right answer, all others the given one, in
    pieces of one size; then the connection is closed.
    """

    def __init__(self, path, complete, right, answer, piece=None):
        self.address = f"unix:{path}"
        self.complete = complete
        self.answers = [right]
        self.answer = answer
        self.piece = piece
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                self.serve(connection)

    def serve(self, connection):
        request = b""
        while not self.complete(request):
            data = connection.recv(65536)
            if data == b"":
                return
            request += data
        self.requests.append(request)
        answer = self.answers.pop() if self.answers else self.answer
        step = self.piece or len(answer) or 1
        try:
            for at in range(0, len(answer), step):
                connection.sendall(answer[at:at + step])
        except OSError:
            pass        # it has seen enough


def record(kind, content=b"", request_id=1, padding=0):
    return struct.pack(">BBHHBB", 1, kind, request_id, len(content), padding,
                       0) + content + b"\xff" * padding


def fcgi(*stdout, end=bytes(8), padding=0):
    return b"".join([*(record(6, part, padding=padding) for part in stdout),
                     record(6, padding=padding), record(3, end)])


def chunk(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                    for part in [*parts, b""])


WHOLE = {
    "fcgi": lambda request: request.endswith(record(5)),
    "uwsgi": lambda request: (
        len(request) >= 4
        and len(request) == 4 + struct.unpack("<H", request[1:3])[0]),
    "http": lambda request: request.endswith(b"\r\n\r\n"),
}
OK = b"HTTP/1.1 200 OK\r\n"
RIGHT = {
    "fcgi": [
        fcgi(HEAD + LENGTH + b"\r\n" + BODY),
        fcgi(HEAD + b"Status: 200 OK\r\n\r\n", BODY[:3], BODY[3:]),
        fcgi(HEAD + b"\r\n" + BODY, padding=9),
    ],
    "uwsgi": [
        OK + HEAD + LENGTH + b"\r\n" + BODY,
        OK + b"\r\n" + BODY,
    ],
    "http": [
        OK + HEAD + LENGTH + b"\r\n" + BODY,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(BODY[:5], BODY[5:]),
        OK + b"\r\n" + BODY,
    ],
}
WRONG = {
    "fcgi": [
        (b"", "ended in"),
        (fcgi(HEAD + b"\r\n" + BODY)[:-1], "mid-answer"),
        (fcgi(HEAD + b"\r\n" + BODY) + b"\0", "behind END_REQUEST"),
        (fcgi(HEAD + b"\r\n" + b"Hello, World!\n"), "differs"),
        (fcgi(HEAD + b"\r\n" + BODY[:-1]), "13 bytes instead of 14"),
        (fcgi(HEAD + b"\r\n" + BODY * 2), "longer"),
        (fcgi(HEAD + b"Content-Length: 15\r\n\r\n" + BODY),
         "Content-Length 15"),
        (fcgi(b"Status: 503 Busy\r\n\r\n" + BODY), "status 503"),
        (fcgi(HEAD + b"\r\n" + BODY, end=b"\0\0\0\1\0\0\0\0"), "failure"),
        (record(7, b"trouble") + fcgi(HEAD + b"\r\n" + BODY), "trouble"),
        (record(6, b"", 2) + fcgi(HEAD + b"\r\n" + BODY), "not a record"),
        (record(11, bytes(8)) + fcgi(HEAD + b"\r\n" + BODY), "type 11"),
    ],
    "uwsgi": [
        (b"", "ended in its head"),
        (OK + HEAD, "ended in its head"),
        (OK + LENGTH + b"\r\n" + BODY[:-1], "Content-Length 14"),
        (OK + b"\r\n" + BODY[:-1], "13 bytes instead of 14"),
        (OK + b"\r\n" + BODY + b"!", "longer"),
        (b"HTTP/1.1 500 No\r\n\r\n" + BODY, "status 500"),
    ],
    "http": [
        (OK + LENGTH + b"\r\n" + BODY[:-1], "mid-answer"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(BODY)[:-2],
         "mid-answer"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(BODY) + b"x",
         "behind the last chunk"),
    ],
}


def run(load, peer, protocol, *options):
    return subprocess.run(
        [load, "-p", protocol, "-c", "1", "-n", "1", *options, peer.address],
        capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("protocol", RIGHT)
def test_right_answers_in_any_pieces(load, tmp_path, protocol):
    for number, answer in enumerate(RIGHT[protocol]):
        for piece in (None, 1, 7):
            path = tmp_path / f"{number}-{piece}"
            with Peer(path, WHOLE[protocol], RIGHT[protocol][0], answer,
                      piece) as peer:
                done = run(load, peer, protocol, "-l", "14", "-m", "Hello")
            assert done.returncode == 0, done.stderr
            report = json.loads(done.stdout)
            assert report["requests"] == 1
            assert report["bytes"] == len(answer)


@pytest.mark.parametrize("protocol", WRONG)
def test_wrong_answers_end_the_run(load, tmp_path, protocol):
    for number, (answer, complaint) in enumerate(WRONG[protocol]):
        with Peer(tmp_path / str(number), WHOLE[protocol],
                  RIGHT[protocol][0], answer) as peer:
            done = run(load, peer, protocol)
        assert done.returncode == 1, answer
        assert complaint in done.stderr, answer


def test_counts_an_answer_once_though_a_kept_connection_ends(load, tmp_path):
    right = RIGHT["fcgi"][0]
    with Peer(tmp_path / "s", WHOLE["fcgi"], right, right) as peer:
        done = run(load, peer, "fcgi", "-k", "-c", "4", "-n", "50")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["requests"] == len(peer.requests) - 1 == 50
    assert report["bytes"] == 50 * len(right)
    assert report["connects"] == 50


def test_answer_is_not_what_the_command_line_says(load, tmp_path):
    right = RIGHT["uwsgi"][0]
    for number, options in enumerate((["-l", "15"], ["-m", "Hallo"])):
        with Peer(tmp_path / str(number), WHOLE["uwsgi"], right,
                  right) as peer:
            assert run(load, peer, "uwsgi", *options).returncode == 1


def uwsgi_names(block):
    names = []
    while block:
        name, block = cut(block)
        names.append(name)
        block = cut(block)[1]
    return names


def cut(block):
    end = 2 + struct.unpack("<H", block[:2])[0]
    return block[2:end].decode(), block[end:]


def fcgi_names(request):
    content = struct.unpack(">H", request[20:22])[0]
    block = request[24:24 + content]
    names = []
    while block:
        sizes = []
        for _ in range(2):
            size, block = block[0], block[1:]
            if size >= 128:
                size = (size & 127) << 24 | int.from_bytes(block[:3], "big")
                block = block[3:]
            sizes.append(size)
        names.append(block[:sizes[0]].decode())
        block = block[sum(sizes):]
    return names


def test_sends_what_nginx_sends(load, tmp_path):
    sent = {}
    for protocol in ("fcgi", "uwsgi"):
        right = RIGHT[protocol][0]
        with Peer(tmp_path / protocol, WHOLE[protocol], right, right) as peer:
            assert run(load, peer, protocol).returncode == 0
        sent[protocol] = peer.requests
    for request in sent["fcgi"]:
        names = fcgi_names(request)
        assert len(set(names)) == 29
        assert "SCRIPT_NAME" in names and "PATH_INFO" not in names
    for request in sent["uwsgi"]:
        names = uwsgi_names(request[4:])
        assert len(set(names)) == 22
        assert "PATH_INFO" in names and "SCRIPT_NAME" not in names
    assert len(set(map(bytes, sent["uwsgi"]))) == 2     # they are varied

# SPDX-License-Identifier: MIT
"""A real nginx in front of a server, and an HTTP client for it."""

import http.client
import os
import shutil
import signal
import socket
import subprocess

from server import PATIENCE, Pipe, listen

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
ROUTES = ("fastcgi", "fastcgi-kept", "uwsgi")

CONFIG = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
error_log stderr info;
pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path body;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    proxy_temp_path proxy;
    scgi_temp_path scgi;
    client_max_body_size 0;
    large_client_header_buffers 8 32k;
    server_tokens off;
    {http}
    upstream once {{ server {upstream}; }}
    upstream kept {{ server {upstream}; keepalive {keepalive}; }}
    server {{
        listen {fastcgi};
        server_name example.test;
        include /etc/nginx/fastcgi_params;
        {fastcgi_extra}
        location / {{ fastcgi_pass once; }}
    }}
    server {{
        listen {kept};
        server_name example.test;
        include /etc/nginx/fastcgi_params;
        fastcgi_keep_conn on;
        {fastcgi_extra}
        location / {{ fastcgi_pass kept; }}
    }}
    server {{
        listen {uwsgi};
        server_name example.test;
        include /etc/nginx/uwsgi_params;
        {uwsgi_extra}
        location / {{ uwsgi_pass once; }}
    }}
}}
"""


def form(*parts):
    """(name, file name or None, bytes) to a multipart body and its type."""
    edge = b"----the-edge-of-this-form"
    body = b""
    for name, filename, data in parts:
        head = f'Content-Disposition: form-data; name="{name}"'
        if filename is not None:
            head += (f'; filename="{filename}"\r\n'
                     "Content-Type: application/octet-stream")
        body += b"--" + edge + f"\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return (body + b"--" + edge + b"--\r\n",
            f"multipart/form-data; boundary={edge.decode()}")


class HttpResponse:
    def __init__(self, raw, body):
        self.status = raw.status
        self.reason = raw.reason
        self.headers = raw.headers
        self.body = body

    def __getitem__(self, name):
        return self.headers[name]

    @property
    def text(self):
        return self.body.decode()


class Http:
    """An HTTP/1.1 client that sends exactly what it is told."""

    def __init__(self, address, timeout=PATIENCE):
        self.address = address
        self.timeout = timeout

    def connect(self):
        return socket.create_connection(self.address, self.timeout)

    def request(self, method="GET", path="/", body=None, headers=(),
                host="example.test"):
        """headers: a dict or pairs. An iterable body goes out chunked."""
        conn = http.client.HTTPConnection(*self.address, timeout=self.timeout)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            conn.putrequest(method, path, skip_host=True,
                            skip_accept_encoding=True)
            conn.putheader("Host", host)
            pairs = headers.items() if isinstance(headers, dict) else headers
            for name, value in pairs:
                conn.putheader(name, value)
            if chunked:
                conn.putheader("Transfer-Encoding", "chunked")
            elif body is not None:
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders(body, encode_chunked=chunked)
            raw = conn.getresponse()
            return HttpResponse(raw, raw.read())
        finally:
            conn.close()


class Nginx:
    """Made by the fixture nginx(); its sockets are bound before it starts and
    handed over, so requests may be sent at once."""

    def __init__(self, place, server, *, http="", fastcgi="", uwsgi="",
                 keepalive=32):
        self.dir = place
        place.mkdir(parents=True)
        sockets = {route: listen(("127.0.0.1", 0)) for route in ROUTES}
        self.addresses = {r: s.getsockname() for r, s in sockets.items()}
        listens = {r: "%s:%d" % a for r, a in self.addresses.items()}
        upstream = server.address
        if isinstance(upstream, tuple):
            upstream = "%s:%d" % upstream
        else:
            upstream = f"unix:{upstream}"
        (place / "nginx.conf").write_text(CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "",
            upstream=upstream, keepalive=keepalive, http=http,
            fastcgi=listens["fastcgi"], kept=listens["fastcgi-kept"],
            uwsgi=listens["uwsgi"], fastcgi_extra=fastcgi, uwsgi_extra=uwsgi))
        fds = [s.fileno() for s in sockets.values()]
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [NGINX, "-p", place, "-c", place / "nginx.conf",
             "-e", "stderr"],
            env={"NGINX": "".join(f"{fd};" for fd in fds)},
            stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
            pass_fds=fds)
        os.close(writer)
        self.pipe = Pipe(reader)
        for sock in sockets.values():
            sock.close()

    @property
    def log(self):
        return list(self.pipe.lines)

    def client(self, route, timeout=PATIENCE):
        return Http(self.addresses[route], timeout)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

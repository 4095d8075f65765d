# SPDX-License-Identifier: MIT
"""A plain WSGI application that shows what saola is doing.

/         a page: who answers, over which protocol, and the whole environ
/upload   takes a file from the page's form and tells what arrived
/stream   twenty lines, each sent when it is made
"""

import email
import hashlib
import html
import os
import platform
import time

STARTED = time.monotonic()
served = 0

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>saola</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; --dim: #8888; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem;
        margin: 3rem auto; padding: 0 1rem; }}
h1 {{ font-weight: 300; font-size: 2.6rem; margin: 0; }}
p.lead {{ margin-top: 0; opacity: .7; }}
table {{ border-collapse: collapse; width: 100%; }}
td {{ border-top: 1px solid var(--dim); padding: .3rem .6rem .3rem 0;
      vertical-align: top; overflow-wrap: anywhere; }}
td:first-child {{ white-space: nowrap; opacity: .7; padding-right: 1.5rem; }}
code, pre, details td {{ font: 13px/1.5 ui-monospace, monospace; }}
form, details, pre {{ margin: 1.5rem 0; }}
</style>
<h1>saola</h1>
<p class="lead">{lead}</p>
{body}
</html>
"""

INDEX = """<table>{facts}</table>
<form action="{root}/upload" method="post" enctype="multipart/form-data">
<input type="file" name="file" required> <button>Upload</button>
</form>
<p><a href="{root}/stream">A response that streams</a> ·
{other}</p>
<details><summary>The environ of this request</summary>
<table>{environ}</table></details>"""


def rows(pairs):
    return "\n".join(f"<tr><td>{html.escape(str(name))}</td>"
                     f"<td>{html.escape(str(value))}</td></tr>"
                     for name, value in pairs)


def reply(start_response, lead, body, status="200 OK"):
    page = PAGE.format(lead=lead, body=body).encode()
    start_response(status, [("Content-Type", "text/html; charset=utf-8"),
                            ("Cache-Control", "no-store")])
    return [page]


def index(environ, start_response):
    root = html.escape(environ["SCRIPT_NAME"])
    # nginx's stock parameters name the gateway on FastCGI only.
    fastcgi = "GATEWAY_INTERFACE" in environ
    facts = [
        ("protocol", "FastCGI" if fastcgi else "uwsgi"),
        ("worker", f"process {os.getpid()} of master {os.getppid()}"),
        ("requests", f"{served} answered by this worker in "
                     f"{time.monotonic() - STARTED:.0f} s"),
        ("client", environ.get("REMOTE_ADDR", "unknown")),
        ("server", environ.get("SERVER_SOFTWARE", "unnamed")),
        ("Python", platform.python_version()),
    ]
    other = (f'<a href="{root}/uwsgi/">The same over uwsgi</a>' if fastcgi
             else '<a href="/">The same over FastCGI</a>')
    return reply(start_response, "An application answers through nginx.",
                 INDEX.format(facts=rows(facts), root=root, other=other,
                              environ=rows(sorted(environ.items()))))


def upload(environ, start_response):
    if environ["REQUEST_METHOD"] != "POST":
        return reply(start_response, "Send a file from the form.", "",
                     "405 Method Not Allowed")
    head = f"Content-Type: {environ.get('CONTENT_TYPE', '')}\r\n\r\n"
    form = email.message_from_bytes(head.encode("latin-1")
                                    + environ["wsgi.input"].read())
    part = form.get_payload(0) if form.is_multipart() else form
    data = part.get_payload(decode=True) or b""
    facts = [("name", part.get_filename() or "none"),
             ("type", part.get_content_type()),
             ("size", f"{len(data):,} bytes"),
             ("SHA-256", hashlib.sha256(data).hexdigest())]
    back = f'<p><a href="{html.escape(environ["SCRIPT_NAME"])}/">Back</a></p>'
    return reply(start_response, "This arrived.",
                 f"<table>{rows(facts)}</table>{back}")


def stream(environ, start_response):
    # nginx gathers small chunks unless it is told not to.
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"),
                              ("X-Accel-Buffering", "no")])
    for n in range(1, 21):
        yield f"line {n} of 20, sent at {time.strftime('%H:%M:%S')}\n".encode()
        time.sleep(0.1)


ROUTES = {"/": index, "/upload": upload, "/stream": stream}


def application(environ, start_response):
    global served
    served += 1
    page = ROUTES.get(environ["PATH_INFO"])
    if page is None:
        return reply(start_response, "There is no such page.", "",
                     "404 Not Found")
    return page(environ, start_response)

# SPDX-License-Identifier: MIT
"""One ASGI application for many behaviours: /NAME runs the function NAME."""

import asyncio
import contextvars
import json

STARTED = contextvars.ContextVar("STARTED", default=False)
SEEN = contextvars.ContextVar("SEEN", default=None)
EVENTS = []
TEXT = [(b"content-type", b"text/plain")]


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        name = scope["path"].split("/")[1]
        await globals()[name](scope, receive, send)


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    STARTED.set(True)
    scope["state"]["started"] = True
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("shut down", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, body, status=200, headers=TEXT):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    await send({"type": "http.response.start", "status": status,
                "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def whole(receive):
    body = b""
    while True:
        event = await receive()
        body += event["body"]
        if not event["more_body"]:
            return body


async def hello(scope, receive, send):
    await answer(send, b"Hello, world!\n")


async def scopes(scope, receive, send):
    keep = {key: value for key, value in scope.items()
            if key not in ("headers", "raw_path", "query_string")}
    keep["headers"] = [[n.decode(), v.decode("latin-1")]
                       for n, v in scope["headers"]]
    keep["raw_path"] = scope["raw_path"].decode("latin-1")
    keep["query_string"] = scope["query_string"].decode("latin-1")
    await answer(send, keep)


async def echo(scope, receive, send):
    await answer(send, await whole(receive))


async def chunks(scope, receive, send):
    sizes = []
    while True:
        event = await receive()
        sizes.append(len(event["body"]))
        if not event["more_body"]:
            break
    await answer(send, sizes)


async def sleep(scope, receive, send):
    await asyncio.sleep(0.01)
    await answer(send, b"slept")


async def task(scope, receive, send):
    """Before and behind the first wait it is the same task, and only ours."""
    task = asyncio.current_task()
    listed = task in asyncio.all_tasks()
    await asyncio.sleep(0)
    same = task is asyncio.current_task()
    await answer(send, [isinstance(task, asyncio.Task), same,
                        task in asyncio.all_tasks(), listed,
                        hasattr(task, "mark")])
    task.mark = True


async def mark(scope, receive, send):
    """Leaves a mark on its task, and never waits."""
    task = asyncio.current_task()
    marked = hasattr(task, "mark")
    task.mark = True
    await answer(send, marked)


async def callback(scope, receive, send):
    asyncio.current_task().add_done_callback(
        lambda task: EVENTS.append("done"))
    await answer(send, b"")


async def events(scope, receive, send):
    await asyncio.sleep(0.01)
    await answer(send, EVENTS)


async def timeout(scope, receive, send):
    await receive()
    try:
        async with asyncio.timeout(0.01):
            await receive()
    except TimeoutError:
        await answer(send, b"timed out")


async def group(scope, receive, send):
    async def child(n):
        await asyncio.sleep(0)
        return n
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(child(n)) for n in range(3)]
    await answer(send, [t.result() for t in made])


async def context(scope, receive, send):
    was = SEEN.get()
    SEEN.set("set")
    before = SEEN.get()
    if scope["query_string"] == b"wait":
        await asyncio.sleep(0)
    await answer(send, [STARTED.get(), was, before, SEEN.get(),
                        scope["state"]])


async def receives(scope, receive, send):
    """receive() counts as a coroutine; cancelled, it loses nothing."""
    first = asyncio.create_task(receive())
    second = asyncio.create_task(receive())
    got = [(await first)["type"]]
    second.cancel()
    try:
        await second
    except asyncio.CancelledError:
        got.append("cancelled")
    try:
        await asyncio.wait_for(receive(), 0.01)
    except TimeoutError:
        got.append("timeout")
    await answer(send, got)
    got = await receive()
    EVENTS.append(got["type"])


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200,
                "headers": TEXT})
    for n in range(5):
        await asyncio.sleep(0.001)
        await send({"type": "http.response.body", "body": b"%d\n" % n,
                    "more_body": True})
    await send({"type": "http.response.body"})


async def head(scope, receive, send):
    """Its head leaves though no body follows for long."""
    await receive()
    await send({"type": "http.response.start", "status": 200,
                "headers": TEXT})
    assert (await receive())["type"] == "http.disconnect"
    print("left", flush=True)


async def big(scope, receive, send):
    await answer(send, b"x" * 5_000_000)


async def endless(scope, receive, send):
    """A stream that never waits by itself."""
    await send({"type": "http.response.start", "status": 200,
                "headers": TEXT})
    sent = 0
    try:
        while sent < 1 << 33:
            await send({"type": "http.response.body", "body": b"x" * 65536,
                        "more_body": True})
            sent += 65536
            left = asyncio.create_task(receive())
            await asyncio.sleep(0)
            if left.done() and left.result()["type"] == "http.disconnect":
                break
            left.cancel()
    finally:
        print(f"sent {sent}", flush=True)


async def waits(scope, receive, send):
    await receive()
    event = await receive()
    print("told", event["type"], flush=True)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise


async def after(scope, receive, send):
    await answer(send, b"answered")
    await asyncio.sleep(0.01)
    print("background done", flush=True)


async def raises(scope, receive, send):
    raise RuntimeError("on purpose")


async def exits(scope, receive, send):
    await asyncio.sleep(0)
    raise SystemExit(3)


async def child_exits(scope, receive, send):
    async def child():
        raise SystemExit(4)
    made = asyncio.create_task(child())
    await asyncio.wait([made])
    await answer(send, b"lives")


async def silent(scope, receive, send):
    pass


async def half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200,
                "headers": TEXT})
    await send({"type": "http.response.body", "body": b"half",
                "more_body": True})


async def misuse(scope, receive, send):
    """Each wrong event raises, and the right ones still count."""
    got = []
    for event in ({"type": "http.response.body"}, {"type": "http.unknown"},
                  {}, [],
                  {"type": "http.response.start"},
                  {"type": "http.response.start", "status": 99},
                  {"type": "http.response.start", "status": 200,
                   "headers": [("name", "value")]},
                  {"type": "http.response.start", "status": 200,
                   "headers": [(b"name", b"a\r\nb")]},
                  {"type": "http.response.start", "status": 200,
                   "headers": [(b"bad name", b"a")]}):
        try:
            await send(event)
        except Exception as error:
            got.append(type(error).__name__)
    await send({"type": "http.response.start", "status": 600,
                "headers": [[b"X-Twice", b"1"], [b"X-Twice", b"2"],
                            (b"Transfer-Encoding", b"chunked")]})
    try:
        await send({"type": "http.response.start", "status": 200})
    except Exception as error:
        got.append(type(error).__name__)
    try:
        await send({"type": "http.response.body", "body": "text"})
    except Exception as error:
        got.append(type(error).__name__)
    await send({"type": "http.response.body",
                "body": bytearray(json.dumps(got).encode())})
    await send({"type": "http.response.body", "body": b"ignored"})


async def nobody(scope, receive, send):
    await answer(send, b"no body", 204)


async def slowly(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for n in range(4):
        await send({"type": "http.response.body", "body": b"%d" % n,
                    "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body"})

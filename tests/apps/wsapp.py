# SPDX-License-Identifier: MIT
"""WebSocket applications: /NAME runs the function NAME."""


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"http"})
        return
    await globals()[scope["path"].split("/")[1]](scope, receive, send)


async def accept(receive, send, **more):
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echo(scope, receive, send):
    """Until the client leaves; what it said then is printed."""
    await accept(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        assert ("text" in event) != ("bytes" in event)
        await send({**event, "type": "websocket.send"})
    print("disconnect", event["code"], event["reason"], flush=True)


async def scopes(scope, receive, send):
    await accept(receive, send, subprotocol=scope["subprotocols"][-1],
                 headers=[(b"X-Mine", b"yes")])
    await send({"type": "websocket.send", "text": repr([
        scope["type"], scope["scheme"], scope["subprotocols"],
        "method" in scope, sorted(scope["extensions"])])})


async def refuse(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def explain(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401,
                "headers": [(b"X-Why", b"because")]})
    await send({"type": "websocket.http.response.body", "body": b"not you"})


async def silent(scope, receive, send):
    await receive()


async def raises(scope, receive, send):
    await accept(receive, send)
    raise RuntimeError("on purpose")


async def returns(scope, receive, send):
    await accept(receive, send)


async def closes(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 3001, "reason": "done"})
    await send({"type": "websocket.send", "text": "ignored"})
    event = await receive()
    print("closed", event["type"], event["code"], flush=True)


async def early(scope, receive, send):
    try:
        await send({"type": "websocket.send", "text": "too early"})
    except RuntimeError:
        await accept(receive, send)
        await send({"type": "websocket.send", "bytes": b"refused"})


async def large(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.send", "bytes": b"x" * 3_000_000})
    await receive()


async def deaf(scope, receive, send):
    """Accepts, and never receives until it is told to."""
    import asyncio
    await accept(receive, send)
    await asyncio.sleep(0.2)
    n = 0
    while (event := await receive())["type"] == "websocket.receive":
        n += 1
    print("heard", n, flush=True)

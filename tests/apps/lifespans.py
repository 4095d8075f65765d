# SPDX-License-Identifier: MIT
"""Applications with a lifespan of their own mind."""


async def respond(send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"served"})


async def unknown(scope, receive, send):
    assert scope["type"] == "http"
    await respond(send)


async def failed(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def raises(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise RuntimeError("while starting")
    await respond(send)


async def returns(scope, receive, send):
    if scope["type"] == "http":
        await respond(send)


async def bad_end(scope, receive, send):
    if scope["type"] == "http":
        await respond(send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "stuck"})

# fails: 04.5
# says: what is no HTTP request goes on untouched
"""Only the lifespan is passed on as it is."""

# >>> 04.5
if scope["type"] == "lifespan":
    await self.app(scope, receive, send)
    return
inbox: asyncio.Queue[Message] = asyncio.Queue(1)  # one message ahead: a large body waits in the socket

async def watch() -> None:
    while (message := await receive())["type"] != "http.disconnect":
        await inbox.put(message)
    work.cancel()

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.body" and not message.get("more_body"):
        watcher.cancel()  # from here on `http.disconnect` only says that all is sent
    await send(message)

watcher = asyncio.create_task(watch())
try:
    with anyio.CancelScope() as work:
        await self.app(scope, inbox.get, send_on)
finally:
    watcher.cancel()
# <<< 04.5

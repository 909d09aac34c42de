# fails: 04.5
# says: says that all is sent
"""The server says http.disconnect after the last byte, too."""

# >>> 04.5
if scope["type"] != "http":
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
        await self.app(scope, inbox.get, send)
finally:
    watcher.cancel()
# <<< 04.5

# fails: 04.5
# says: keeps the connection; these tasks still run
"""The watcher ends when `receive` gives `http.disconnect`, and with a connection that is kept that is late."""

# >>> 04.5
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
inbox: asyncio.Queue[Message] = asyncio.Queue(1)  # one message ahead: a large body waits in the socket

sent = asyncio.Event()

async def watch() -> None:
    while (message := await receive())["type"] != "http.disconnect":
        await inbox.put(message)

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.body" and not message.get("more_body"):
        sent.set()
    await send(message)

work = asyncio.ensure_future(self.app(scope, inbox.get, send_on))
watcher = asyncio.ensure_future(watch())
try:
    await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
    if not sent.is_set():
        work.cancel()
    await asyncio.wait({work})
finally:
    work.cancel()
    await asyncio.wait({work})
if not work.cancelled():
    work.result()
# <<< 04.5

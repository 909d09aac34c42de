# fails: 04.5
# says: asyncio.wait() does not cancel the tasks that it waits for
"""The application is a task of its own, and whoever cancels the request does not reach it."""

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
    if not work.done() and not sent.is_set():
        work.cancel()
    await asyncio.wait({work})
finally:
    watcher.cancel()
if not work.cancelled():
    work.result()
# <<< 04.5

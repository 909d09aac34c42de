# fails: 04.5
# says: these tasks still run
"""Nobody tells the watcher that the request is over."""

# >>> 04.5
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
over = list[bool]()
inbox: asyncio.Queue[Message] = asyncio.Queue(1)  # one message ahead: a large body waits in the socket

async def watch() -> None:
    while (message := await receive())["type"] != "http.disconnect":
        await inbox.put(message)
    if not over:
        work.cancel()
    await asyncio.sleep(3600)

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.body" and not message.get("more_body"):
        over.append(True)
    await send(message)

watcher = asyncio.create_task(watch())
try:
    with anyio.CancelScope() as work:
        await self.app(scope, inbox.get, send_on)
finally:
    pass
# <<< 04.5

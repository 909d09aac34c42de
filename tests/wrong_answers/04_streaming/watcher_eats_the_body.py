# fails: 04.5
# says: Two listeners share the messages between them
"""Two listeners, and each message goes to one of them."""

# >>> 04.5
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return

async def watch() -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.body" and not message.get("more_body"):
        watcher.cancel()
    await send(message)

watcher = asyncio.create_task(watch())
try:
    with anyio.CancelScope() as work:
        await self.app(scope, receive, send_on)
finally:
    watcher.cancel()
# <<< 04.5

# fails: 04.5
# says: The application raised ValueError, out came ExceptionGroup
"""A task group wraps what the application raises."""

# >>> 04.5
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
inbox: asyncio.Queue[Message] = asyncio.Queue(1)

async def watch() -> None:
    with watching:
        while (message := await receive())["type"] != "http.disconnect":
            await inbox.put(message)
        group.cancel_scope.cancel()

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.body" and not message.get("more_body"):
        watching.cancel()
    await send(message)

watching = anyio.CancelScope()
async with anyio.create_task_group() as group:
    group.start_soon(watch)
    await self.app(scope, inbox.get, send_on)
    watching.cancel()
# <<< 04.5

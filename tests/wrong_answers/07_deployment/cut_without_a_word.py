# fails: 07.2
# says: Nobody told it
"""Cancelled is cancelled: the connection closes, and the reader sees that."""

# >>> 07.2 (2)
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
stage = "waiting"  # then the media type of what is being sent, then "over"

async def send_on(message: Message) -> None:
    nonlocal stage
    if message["type"] == "http.response.start":
        stage = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
    elif not message.get("more_body"):
        stage = "over"
    await send(message)

with anyio.CancelScope() as work:
    self.drain.requests.add(work)
    try:
        await self.app(scope, receive, send_on)
    finally:
        self.drain.requests.discard(work)
if work.cancelled_caught and stage == "waiting":
    await JSONResponse(SHUTTING_DOWN, 503, {"Retry-After": "1"})(scope, receive, send)
# <<< 07.2

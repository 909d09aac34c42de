# fails: 07.2
# says: cancelled from outside, and went on or ended as if it were done
"""A task that is cancelled was cut, so its reader is told."""

# >>> 07.2 (2)
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
stage = "waiting"

async def send_on(message: Message) -> None:
    nonlocal stage
    if message["type"] == "http.response.start":
        stage = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
    elif not message.get("more_body"):
        stage = "over"
    await send(message)

task = asyncio.current_task()
self.drain.requests.add(task)
try:
    await self.app(scope, receive, send_on)
except asyncio.CancelledError:
    if stage == "waiting":
        await JSONResponse(SHUTTING_DOWN, 503, {"Retry-After": "1"})(scope, receive, send)
    elif stage == "text/event-stream":
        frame = f"event: error\ndata: {json.dumps(SHUTTING_DOWN)}\n\n"
        await send({"type": "http.response.body", "body": frame.encode()})
finally:
    self.drain.requests.discard(task)
# <<< 07.2

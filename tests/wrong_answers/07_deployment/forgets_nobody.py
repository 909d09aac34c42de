# fails: 07.2
# says: a service that forgets none grows with every request
"""To cancel what is over does no harm, so nobody takes it out."""

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

with anyio.CancelScope() as work:
    self.drain.requests.add(work)
    await self.app(scope, receive, send_on)
if work.cancelled_caught and stage == "waiting":
    await JSONResponse(SHUTTING_DOWN, 503, {"Retry-After": "1"})(scope, receive, send)
elif work.cancelled_caught and stage == "text/event-stream":
    frame = f"event: error\ndata: {json.dumps(SHUTTING_DOWN)}\n\n".encode()
    await send({"type": "http.response.body", "body": frame})
# <<< 07.2

# fails: 09.4
# says: streams at once
"""Looks right because the method needs no closure; there is one such object, and it keeps the last caller's `send`."""

# >>> 09.4
class Timing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.send = send
        await self.app(scope, receive, self.send_on)

    async def send_on(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"server-timing", b"app")]
        await self.send(message)


app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
app.add_middleware(Timing)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

# fails: 09.4, 09.7
# says: Something holds the stream back until it is over
"""Looks right because a timing header is a small thing; to set it at the end, it collects the answer."""

# >>> 09.4
class Timing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        for message in messages:
            await send(message)


app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
app.add_middleware(Timing)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

# fails: 09.4, 09.5
# says: 3 requests a minute
"""Looks right because it reads from top to bottom; the last one added is the first that a request meets."""

# >>> 09.4
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
app.add_middleware(streams.WhileConnected)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(Authenticate)


def caller(scope: Any) -> str | None:
    return caller_of(scope) if "services" in scope.get("state", {}) else None


app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller)
# <<< 09.4

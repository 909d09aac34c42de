# fails: 09.4, 09.5
# says: a key that forges addresses got
"""Looks right because behind a proxy the address stands in a header; callers write headers too."""

# >>> 09.4
def address(scope: Any) -> str | None:
    headers = dict(scope["headers"])
    return headers.get(b"x-forwarded-for", b"").decode() or None


app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=address)
app.add_middleware(Authenticate)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

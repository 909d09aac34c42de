# fails: 09.3, 09.4, 09.5, 09.6, 09.7
# says: every request is answered 500, and the log says KeyError
# says: Look at what 09.4 adds, and where
"""Looks right because the cheap layer comes first; it asks who calls before anybody has found that out."""

# >>> 09.4
app.add_middleware(Authenticate)
app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

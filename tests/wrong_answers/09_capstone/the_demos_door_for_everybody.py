# fails: 09.4
# says: a caller from 203.0.113.9
"""Looks right on a laptop; in production nobody comes from 127.0.0.1."""

# >>> 09.4
app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

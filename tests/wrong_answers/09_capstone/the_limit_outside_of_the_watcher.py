# fails: 09.4, 09.5
# says: Somebody waits for the body
"""Looks right because the limit is outermost; WhileConnected reads ahead, and what the limit throws ends in its hands."""

# >>> 09.4
app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(streams.WhileConnected)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

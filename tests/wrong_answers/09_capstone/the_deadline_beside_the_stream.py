# fails: 09.4
# says: CutAtDeadline only ends what is inside of it
"""Looks right because streams are told at the deadline; who waits for the database in a layer is not."""

# >>> 09.4
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
if settings.is_demo:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
# <<< 09.4

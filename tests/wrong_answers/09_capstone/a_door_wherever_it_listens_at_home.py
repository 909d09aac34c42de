# fails: 09.4
# says: a server on 127.0.0.1 with a secret of its own
"""Looks right because on loopback only this machine calls; a proxy of this machine calls for everybody."""

# >>> 09.4
app.add_middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of)
app.add_middleware(Authenticate)
if settings.on_loopback:
    app.add_middleware(LocalOnly)
app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
app.add_middleware(streams.WhileConnected)
app.add_middleware(deployment.CutAtDeadline, drain=service.drain)
# <<< 09.4

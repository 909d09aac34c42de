# fails: 09.5
# says: RequestContext
"""Looks right because every route has its id; what the layers outside of it answer has none."""

# >>> 09.5
app.add_middleware(production.RequestContext, done=done)
models.add_error_handlers(app)
errors.add_error_handlers(app)
production.add_error_handlers(app)
app.add_middleware(OneShape)
# <<< 09.5

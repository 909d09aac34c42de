# fails: 09.5
# says: which OpenAI's client cannot read
"""Looks right because every handler is registered; a layer that is answered outside of OneShape keeps its own form."""

# >>> 09.5
app.add_middleware(OneShape)
app.add_middleware(production.RequestContext, done=done)
errors.add_error_handlers(app)
production.add_error_handlers(app)
models.add_error_handlers(app)
# <<< 09.5

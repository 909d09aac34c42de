# fails: 09.5
# says: which OpenAI's client cannot read
"""Looks right because every error is handled; layers answer without handlers, and nobody forms what they say."""

# >>> 09.5
models.add_error_handlers(app)
errors.add_error_handlers(app)
production.add_error_handlers(app)
app.add_middleware(production.RequestContext, done=done)
# <<< 09.5

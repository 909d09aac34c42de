"""A list of `Middleware`, written from the outside in, as a request meets them."""

# >>> imports
from starlette.middleware import Middleware
# <<< imports

# >>> 09.3
from fastapi import Depends

files = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
added = APIRouter()
for one in more:
    added.include_router(one, dependencies=[Depends(auth.current_principal)])
return [probes, added, *[file.router for file in files]]
# <<< 09.3

# >>> 09.4
app.user_middleware[:0] = [
    Middleware(deployment.CutAtDeadline, drain=service.drain),
    Middleware(streams.WhileConnected),
    Middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes),
    *([Middleware(LocalOnly)] if settings.is_demo else []),
    Middleware(Authenticate),
    Middleware(production.RateLimit, limiter=service.limiter, caller_of=caller_of),
]
# <<< 09.4

# >>> 09.5
for add in (models.add_error_handlers, errors.add_error_handlers, production.add_error_handlers):
    add(app)
app.user_middleware[:0] = [Middleware(production.RequestContext, done=done), Middleware(OneShape)]
# <<< 09.5

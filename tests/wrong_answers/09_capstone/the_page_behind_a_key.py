# fails: 09.3
# says: GET /chat is for everybody
"""Looks right because nothing is left open but the probes; a browser has no key before the page has asked for it."""

# >>> 09.3
closed = APIRouter(dependencies=[Security(auth.authorized)])
ours = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
for router in [*(one.router for one in ours if one is not keys), *more]:
    closed.include_router(router)
return [probes, keys.router, closed]
# <<< 09.3

# fails: 09.3
# says: is for everybody
"""Looks right because nothing is forgotten; the load balancer has no key, and nobody can ask for a token."""

# >>> 09.3
closed = APIRouter(dependencies=[Security(auth.authorized)])
ours = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
for router in [*(one.router for one in ours), probes, *more]:
    closed.include_router(router)
return [closed]
# <<< 09.3

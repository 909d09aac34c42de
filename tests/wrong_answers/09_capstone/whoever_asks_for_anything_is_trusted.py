# fails: 09.3
# says: a route that asks for something else
"""Looks right because routers with dependencies check for themselves; a dependency is not a check."""

# >>> 09.3
closed = APIRouter(dependencies=[Security(auth.authorized)])
for router in more:
    if not router.dependencies:
        closed.include_router(router)
ours = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
return [*(one.router for one in ours), probes, *(one for one in more if one.dependencies), closed]
# <<< 09.3

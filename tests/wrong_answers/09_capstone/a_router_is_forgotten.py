# fails: 09.3
# says: the documentation does not know
"""Looks right because chat works; embeddings and jobs were never included."""

# >>> 09.3
closed = APIRouter(dependencies=[Security(auth.authorized)])
for router in more:
    closed.include_router(router)
ours = [chat, catalog, documents, rag, keys, usage, page]
return [*(one.router for one in ours), probes, closed]
# <<< 09.3

# fails: 09.3
# says: a route that forgot to ask for a key
"""Looks right because every router of ours asks for a key by itself; those of others do not."""

# >>> 09.3
ours = [chat, catalog, embeddings, documents, rag, jobs, keys, usage, page]
return [*(one.router for one in ours), probes, *more]
# <<< 09.3

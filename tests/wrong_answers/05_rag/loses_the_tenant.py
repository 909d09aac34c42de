# fails: 05.8
# says: A tenant that is lost here sees everybody's chunks
"""Looks right: a query with the same text that asks for more."""

# >>> 05.8 (2)
deep = Query(query.text, k=max(depth, query.k), floor=query.floor)
near = dense(snapshot, deep, vector)
return fuse(near, lexical(snapshot, deep, vector))[: query.k] if near else []
# <<< 05.8

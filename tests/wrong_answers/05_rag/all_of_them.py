# fails: 05.8
# says: are a and then d
"""Looks generous: whoever asked for two gets what there is."""

# >>> 05.8 (2)
deep = replace(query, k=max(depth, query.k))
near = dense(snapshot, deep, vector)
return fuse(near, lexical(snapshot, deep, vector)) if near else []
# <<< 05.8

# fails: 05.8
# says: Each ranking has to be asked for `depth`
"""Looks thrifty: five are wanted, so five of each are asked for."""

# >>> 05.8 (2)
near = dense(snapshot, query, vector)
return fuse(near, lexical(snapshot, query, vector))[: query.k] if near else []
# <<< 05.8

# fails: 05.8
# says: nothing was near, two chunks share a word
"""Looks helpful: what the vectors do not see, the words may. Then no question is ever refused."""

# >>> 05.8 (2)
deep = replace(query, k=max(depth, query.k))
return fuse(dense(snapshot, deep, vector), lexical(snapshot, deep, vector))[: query.k]
# <<< 05.8

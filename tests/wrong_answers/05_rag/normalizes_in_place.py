# fails: 05.2
# says: normalize_L2 works in place
"""Looks right, and the caller's own vectors are others afterwards."""

# >>> 05.2 (2)
faiss.normalize_L2(vectors)
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors)
return index
# <<< 05.2

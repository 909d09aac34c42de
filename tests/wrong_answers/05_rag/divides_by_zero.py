# fails: 05.2
# says: with scores
"""Looks right until a text has no word that the model knows."""

# >>> 05.2 (2)
with np.errstate(all="ignore"):
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
index = faiss.IndexFlatIP(units.shape[1])
index.add(units)
return index
# <<< 05.2

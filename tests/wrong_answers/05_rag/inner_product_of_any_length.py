# fails: 05.2
# says: A cosine is never above 1
"""Looks right with a model whose vectors have length 1, as those of OpenAI have."""

# >>> 05.2 (2)
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(np.array(vectors, dtype=np.float32))
return index
# <<< 05.2

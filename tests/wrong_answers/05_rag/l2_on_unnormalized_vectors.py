# fails: 05.2
# says: these are distances (L2)
"""The index of FAISS's own first example. Nearest comes first, and the score is a distance that grows with the length of a vector."""

# >>> 05.2 (2)
index = faiss.IndexFlatL2(vectors.shape[1])
index.add(np.array(vectors, dtype=np.float32))
return index
# <<< 05.2

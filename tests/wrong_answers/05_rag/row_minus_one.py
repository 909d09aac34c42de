# fails: 05.3
# says: Where FAISS has no more it says row -1
"""Looks right as long as everybody has k chunks; then the last chunk of all fills up."""

# >>> 05.3
rows = [row for row, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
if not snapshot.chunks:
    return []
unit = np.array([vector], dtype=np.float32)
faiss.normalize_L2(unit)
chosen = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
scores, found = snapshot.index.search(unit, query.k, params=chosen)
scores = np.clip(scores, -1, 1)
return [
    Hit(snapshot.chunks[row], float(score)) for row, score in zip(found[0], scores[0]) if score >= query.floor
]
# <<< 05.3

# fails: 05.3
# says: a question's vector that was not normalized
"""Looks right because the index is normalized; the question comes as the model gave it."""

# >>> 05.3
rows = [row for row, chunk in enumerate(snapshot.chunks) if query.may_see(chunk)]
if not rows:
    return []
chosen = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
scores, found = snapshot.index.search(np.array([vector], dtype=np.float32), query.k, params=chosen)
return [
    Hit(snapshot.chunks[row], float(score))
    for row, score in zip(found[0], scores[0])
    if row >= 0 and score >= query.floor
]
# <<< 05.3

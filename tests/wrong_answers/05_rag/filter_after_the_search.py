# fails: 05.3
# says: others' thrown out then
"""Looks right while there is one tenant: of the k nearest of all, those that may be seen."""

# >>> 05.3
unit = np.array([vector], dtype=np.float32)
faiss.normalize_L2(unit)

if not snapshot.chunks:
    return []
scores, rows = snapshot.index.search(unit, query.k)
hits = [Hit(snapshot.chunks[row], float(score)) for row, score in zip(rows[0], scores[0]) if row >= 0]
return [hit for hit in hits if query.may_see(hit.chunk) and hit.score >= query.floor]
# <<< 05.3

# fails: 05.3
# says: To take ten times as many first only moves the day
"""LangChain's own way, `fetch_k`: search for more than is wanted, filter, cut. Right until a neighbor has more than that."""

# >>> 05.3
unit = np.array([vector], dtype=np.float32)
faiss.normalize_L2(unit)

if not snapshot.chunks:
    return []
scores, rows = snapshot.index.search(unit, 10 * query.k + 20)
hits = [Hit(snapshot.chunks[row], float(score)) for row, score in zip(rows[0], scores[0]) if row >= 0]
return [hit for hit in hits if query.may_see(hit.chunk) and hit.score >= query.floor][: query.k]
# <<< 05.3

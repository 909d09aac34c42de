# fails: 05.8
# says: ranks from 1
"""Looks right: enumerate counts from 0."""

# >>> 05.8
chunks, scores = {}, {}
for ranking in rankings:
    for rank, hit in enumerate(ranking):
        key = (hit.chunk.tenant, hit.chunk.doc, hit.chunk.start)
        chunks[key] = hit.chunk
        scores[key] = scores.get(key, 0.0) + 1 / (60 + rank)
return [Hit(chunks[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
# <<< 05.8

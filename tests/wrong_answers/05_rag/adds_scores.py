# fails: 05.8
# says: they are not of one kind
"""Looks like what everybody calls a hybrid score: alpha times the one and the rest of the other."""

# >>> 05.8
chunks, scores = {}, {}
for ranking in rankings:
    for hit in ranking:
        key = (hit.chunk.tenant, hit.chunk.doc, hit.chunk.start)
        chunks[key] = hit.chunk
        scores[key] = scores.get(key, 0.0) + 0.5 * hit.score
return [Hit(chunks[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
# <<< 05.8

# fails: 05.8
# says: four chunks with the same text in different places
"""Looks right: the same text is the same chunk. Of another tenant it is not."""

# >>> 05.8
chunks, scores = {}, {}
for ranking in rankings:
    for rank, hit in enumerate(ranking, 1):
        chunks[hit.chunk.text] = hit.chunk
        scores[hit.chunk.text] = scores.get(hit.chunk.text, 0.0) + 1 / (60 + rank)
return [Hit(chunks[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]
# <<< 05.8

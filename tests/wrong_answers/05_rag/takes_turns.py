# fails: 05.8
# says: Each gives a chunk 1 / (60 + rank)
"""Looks fair: one from this ranking, one from that. What both found gains nothing."""

# >>> 05.8
from itertools import zip_longest

chunks = {}
for row in zip_longest(*rankings):
    for hit in filter(None, row):
        chunks.setdefault((hit.chunk.tenant, hit.chunk.doc, hit.chunk.start), hit.chunk)
return [Hit(one, 1 / (60 + rank)) for rank, one in enumerate(chunks.values(), 1)]
# <<< 05.8

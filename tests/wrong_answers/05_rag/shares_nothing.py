# fails: 05.1
# says: as many as fit into `overlap`
"""Looks right because every sentence is in a chunk; an answer across a border is in none."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError("overlap must be below size")
spans = []
for start, end in sentences(text, size):
    if spans and end - spans[-1][0] <= size:
        spans[-1] = (spans[-1][0], end)
    else:
        spans.append((start, end))
return spans
# <<< 05.1

# fails: 05.1
# says: and leave room for the next sentence
"""Looks right because it keeps what fits into the overlap; that the next sentence must fit too is forgotten."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError("overlap must be below size")
spans, held = [], []
for one in sentences(text, size):
    if held and one[1] - held[0][0] > size:
        spans.append((held[0][0], held[-1][1]))
        while held and held[-1][1] - held[0][0] > overlap:
            held.pop(0)
    held.append(one)
if held:
    spans.append((held[0][0], held[-1][1]))
return spans
# <<< 05.1

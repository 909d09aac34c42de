# fails: 05.1
# says: is in no chunk. It is the tail
"""Looks right because a chunk is closed whenever it is full; the last one never is."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError(f"overlap must be at least 0 and below size, got {overlap} and {size}")
spans = []
held = []
for one in sentences(text, size):
    if held and one[1] - held[0][0] > size:
        spans.append((held[0][0], held[-1][1]))
        while held and (held[-1][1] - held[0][0] > overlap or one[1] - held[0][0] > size):
            held.pop(0)
    held.append(one)
return spans
# <<< 05.1

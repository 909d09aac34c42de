# fails: 05.1
# says: It cuts a sentence, or has blanks at its end
"""Looks right as long as one blank stands between sentences: the offsets are those of the joined text, not of the page."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError("overlap must be below size")
spans, start = [], 0
held, length = [], 0
for one in sentences(text, size):
    words = one[1] - one[0]
    if held and length + 1 + words > size:
        spans.append((start, start + length))
        while held and (length > overlap or length + 1 + words > size):
            start += held[0] + 1
            length -= held.pop(0) + 1
        length = max(length, 0)
    length += words + (1 if held else 0)
    held.append(words)
if held:
    spans.append((start, start + length))
return spans
# <<< 05.1

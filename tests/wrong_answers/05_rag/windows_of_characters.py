# fails: 05.1
# says: It cuts a sentence
"""The five lines of every tutorial: windows of `size` characters, in steps of `size - overlap`."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError("overlap must be below size")
if not text.strip():
    return []
return [(start, min(start + size, len(text))) for start in range(0, len(text), size - overlap)]
# <<< 05.1

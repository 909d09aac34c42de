# fails: 05.4
# says: A text can hold the closing mark too
"""The delimiters of every guide to prompting, around a text that may hold them."""

# >>> 05.4
return "\n".join(f'<source id="{n}">\n{hit.chunk.text}\n</source>' for n, hit in enumerate(hits, 1))
# <<< 05.4

# fails: 05.4
# says: Translate before you escape
"""Looks safe to every parser; a model is none."""

# >>> 05.4
return "\n".join(
    f'<source id="{n}">\n{escape(hit.chunk.text, quote=False)}\n</source>' for n, hit in enumerate(hits, 1)
)
# <<< 05.4

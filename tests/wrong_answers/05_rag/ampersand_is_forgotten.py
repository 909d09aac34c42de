# fails: 05.4
# says: & has to be escaped too, and first
"""Looks safe, as no < is left; a page that says &lt; comes out as one."""

# >>> 05.4
def clean(text: str) -> str:
    text = re.sub(r"&(?!lt;|gt;|amp;|#)", "&amp;", text.translate(DISGUISES))
    return text.replace("<", "&lt;").replace(">", "&gt;")

return "\n".join(f'<source id="{n}">\n{clean(hit.chunk.text)}\n</source>' for n, hit in enumerate(hits, 1))
# <<< 05.4

# fails: 05.4
# says: The text must come out as it went in
"""Looks safe: the closing mark is removed. What is left over may be one, and the page is not what it was."""

# >>> 05.4
def clean(text: str) -> str:
    return re.sub(r"</?source[^>]*>", "", text.translate(DISGUISES), flags=re.I).replace("<", "(").replace("&", "+")

return "\n".join(f'<source id="{n}">\n{clean(hit.chunk.text)}\n</source>' for n, hit in enumerate(hits, 1))
# <<< 05.4

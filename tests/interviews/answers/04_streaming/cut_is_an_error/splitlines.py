# fails: 04.1
# says: str.splitlines() knows more
"""Reads everything and takes lines as Python does."""

# >>> 04.1
text = b"".join([chunk async for chunk in chunks]).decode(errors="replace")
name, data = "", list[str]()
for line in text.splitlines():
    field, _, value = line.partition(":")
    if field == "data":
        data.append(value.removeprefix(" "))
    elif field == "event":
        name = value.removeprefix(" ")
    elif not line:
        if data:
            yield Event("\n".join(data), name or "message")
        name, data = "", []
if name or data or not text.endswith(("\n", "\r")) and text:
    raise CutOff("cut")
# <<< 04.1

# fails: 04.1
# says: A chunk may end inside a character
"""Decodes each chunk for itself, which works until the first euro sign."""

# >>> 04.1
rest, name, data = "", "", list[str]()
async for chunk in chunks:
    *lines, rest = (rest + chunk.decode()).split("\n")
    for line in lines:
        line = line.removesuffix("\r")
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
        elif not line:
            if data:
                yield Event("\n".join(data), name or "message")
            name, data = "", []
if rest or name or data:
    raise CutOff("cut")
# <<< 04.1

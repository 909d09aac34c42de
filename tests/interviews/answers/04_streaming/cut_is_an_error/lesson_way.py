# fails: 04.1
# says: what had come of the last event was handed on
"""As lesson 04 has it: the last event counts without its blank line."""

# >>> 04.1
decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

async def texts() -> AsyncIterator[str]:
    async for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True) + "\n\n"

rest, name, data = "", "", list[str]()
async for text in texts():
    *lines, rest = (rest + text).split("\n")
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
# <<< 04.1

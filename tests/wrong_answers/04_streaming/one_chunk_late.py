# fails: 04.1
# says: it was whole after 1
"""An event is handed on when the next line comes, not when its blank line does."""

# >>> 04.1
decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)

async def lines() -> AsyncIterator[str]:
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield line
    for line in (rest + decoder.decode(b"", final=True)).split("\n"):
        yield line

ready: Event | None = None
name, data = "", list[str]()
async for line in lines():
    if ready:
        yield ready
        ready = None
    field, _, value = line.partition(":")
    if field == "data":
        data.append(value.removeprefix(" "))
    elif field == "event":
        name = value.removeprefix(" ")
    elif not line:
        if data:
            ready = Event("\n".join(data), name or "message")
        name, data = "", []
if ready:
    yield ready
if data:
    yield Event("\n".join(data), name or "message")
# <<< 04.1

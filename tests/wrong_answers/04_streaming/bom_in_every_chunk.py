# fails: 04.1
# says: what is unfinished waits for the next chunk
"""Each chunk loses a byte order mark, not only the first."""

# >>> 04.1
# Both halves keep what is unfinished: a character, a byte order mark, a CR that may be half of a CRLF.
decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)

async def texts() -> AsyncIterator[str]:
    async for chunk in chunks:
        yield decoder.decode(chunk).removeprefix("\ufeff")
    yield decoder.decode(b"", final=True) + "\n\n"  # ends a last event that the server did not end

rest, name, data = "", "", list[str]()
async for text in texts():
    *lines, rest = (rest + text).split("\n")
    for line in lines:
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

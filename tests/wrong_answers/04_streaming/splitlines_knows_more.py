# fails: 04.1
# says: Only LF, CRLF and CR end a line
"""str.splitlines() splits at U+2028 and at form feeds, too."""

# >>> 04.1
# Both halves keep what is unfinished: a character, a byte order mark, a CR that may be half of a CRLF.
decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)

async def texts() -> AsyncIterator[str]:
    async for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True) + "\n\n"  # ends a last event that the server did not end

rest, name, data = "", "", list[str]()
async for text in texts():
    *lines, rest = (rest + text + "|").splitlines()
    rest = rest[:-1]
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

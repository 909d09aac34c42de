# fails: 04.1
# says: With lines that end in b'\r\n'
"""Events are split at two LF; CRLF is what others send."""

# >>> 04.1
decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
rest = ""

def read(frame: str) -> Event | None:
    name, data = "", []
    for line in frame.split("\n"):
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return Event("\n".join(data), name or "message") if data else None

async for chunk in chunks:
    *frames, rest = (rest + decoder.decode(chunk)).split("\n\n")
    for frame in frames:
        if event := read(frame):
            yield event
if event := read(rest + decoder.decode(b"", final=True)):
    yield event
# <<< 04.1

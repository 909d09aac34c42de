# fails: 04.1
# says: the generator just ended
"""As the standard has it: what has no blank line is thrown away."""

# >>> 04.1
decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
rest, name, data = "", "", list[str]()
async for chunk in chunks:
    *lines, rest = (rest + decoder.decode(chunk)).split("\n")
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

# fails: 04.1
# says: An event with a name
"""The popular loop: take a line, cut six characters off, hope."""

# >>> 04.1
async for chunk in chunks:
    for line in chunk.decode("utf-8", "replace").splitlines():
        if line.startswith("data: "):
            yield Event(line[6:])
# <<< 04.1

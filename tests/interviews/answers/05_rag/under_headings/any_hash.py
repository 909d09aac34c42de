# fails: 05.1
# says: a `#` within a line is no heading
"""Looks for the sign anywhere."""

# >>> 05.1
if not 0 <= overlap < size:
    raise ValueError(f"overlap must be at least 0 and below size, got overlap={overlap}, size={size}")
pieces: list[Piece] = []
heading, start = "", 0
for line in [*re.finditer(r"#.*$", text, re.M), None]:
    held: list[tuple[int, int]] = []  # anew for each heading: nothing is shared across one
    for one in sentences(text, start, line.start() if line else len(text), size):
        if held and one[1] - held[0][0] > size:
            pieces.append(Piece(heading, held[0][0], held[-1][1]))
            # The next sentence counts too: a chunk that shares much and brings nothing new would never end.
            while held and (held[-1][1] - held[0][0] > overlap or one[1] - held[0][0] > size):
                held.pop(0)
        held.append(one)
    if held:  # the tail of the section
        pieces.append(Piece(heading, held[0][0], held[-1][1]))
    if line:
        heading, start = line[0].lstrip("#").strip(), line.end()
return pieces
# <<< 05.1

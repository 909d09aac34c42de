# fails: 02.7
# says: not {'answer': 41, 'unit': 'km'} inside it
"""Tries every brace from the end: an object inside another one comes first."""

# >>> 02.7
if len(text) > MOST_CHARS:
    raise NoObject("too long")
for opening in reversed(list(OPENS.finditer(text))):
    try:
        value, _ = json.JSONDecoder().raw_decode(text, opening.start())
    except ValueError:
        continue
    if keys <= value.keys():
        return value
raise NoObject("none")
# <<< 02.7

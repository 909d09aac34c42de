# fails: 02.7
# says: Neither it nor what is inside it counts
"""Goes on behind the brace of an object that breaks off, and finds one inside it."""

# >>> 02.7
if len(text) > MOST_CHARS:
    raise NoObject("too long")
found, at = None, 0
while opening := OPENS.search(text, at):
    try:
        value, at = json.JSONDecoder().raw_decode(text, opening.start())
    except ValueError:
        at = opening.start() + 1
        continue
    if keys <= value.keys():
        found = value
if found is None:
    raise NoObject("none")
return found
# <<< 02.7

# fails: 02.7
# says: The last one counts
"""As lesson 02 has it: the first object."""

# >>> 02.7
if len(text) > MOST_CHARS:
    raise NoObject("too long")
start = OPENS.search(text)
if start is None:
    raise NoObject("none")
try:
    value, _ = json.JSONDecoder().raw_decode(text, start.start())
except ValueError as error:
    raise NoObject("cut off") from error
if not keys <= value.keys():
    raise NoObject("keys")
return value
# <<< 02.7

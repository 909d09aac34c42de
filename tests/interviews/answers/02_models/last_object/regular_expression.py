# fails: 02.7
# says: an object with braces in its texts
"""A regular expression from brace to brace."""

# >>> 02.7
if len(text) > MOST_CHARS:
    raise NoObject("too long")
for candidate in reversed(re.findall(r"\{[^{}]*\}", text)):
    try:
        value = json.loads(candidate)
    except ValueError:
        continue
    if keys <= value.keys():
        return value
raise NoObject("none")
# <<< 02.7

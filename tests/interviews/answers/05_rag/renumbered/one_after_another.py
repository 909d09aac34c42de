# fails: 05.5
# says: a number that is already new is taken for an old one
"""Replaces one number after the other in the text."""

# >>> 05.5
shown = {str(n): hit for n, hit in enumerate(hits, 1)}
text = re.sub(r" ?\[([0-9]+)\]", lambda one: one[0] if one[1] in shown else "", text)
found = list(dict.fromkeys(re.findall(r"\[([0-9]+)\]", text)))
for new, old in enumerate(found, 1):
    text = text.replace(f"[{old}]", f"[{new}]")
return Cited(text, [shown[one] for one in found]) if found else Cited(UNKNOWN, [])
# <<< 05.5

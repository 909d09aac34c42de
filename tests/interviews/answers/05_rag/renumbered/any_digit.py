# fails: 05.5
# says: Only digits in brackets are a marker
"""Takes whatever Python calls a digit."""

# >>> 05.5
shown = {str(n): hit for n, hit in enumerate(hits, 1)}
numbers: dict[str, int] = {}  # the model's number -> ours

def renumbered(marker: re.Match[str]) -> str:
    blank, name = marker.groups()
    if name not in shown:
        return ""
    return f"{blank}[{numbers.setdefault(name, len(numbers) + 1)}]"

# In one pass: one replacement after another would take [1], which was [3], for the model's [1].
cited = re.sub(r"( ?)\[(\d+)\]", renumbered, text)
return Cited(cited, [shown[name] for name in numbers]) if numbers else Cited(UNKNOWN, [])
# <<< 05.5

# fails: 05.5
# says: Each source that is mentioned is listed once
"""Lists all that was retrieved."""

# >>> 05.5
shown = {str(n): hit for n, hit in enumerate(hits, 1)}
numbers: dict[str, int] = {}  # the model's number -> ours

def renumbered(marker: re.Match[str]) -> str:
    blank, name = marker.groups()
    if name not in shown:
        return ""
    return f"{blank}[{numbers.setdefault(name, len(numbers) + 1)}]"

# In one pass: one replacement after another would take [1], which was [3], for the model's [1].
cited = re.sub(r"( ?)\[([0-9]+)\]", renumbered, text)
return Cited(cited, list(hits)) if numbers else Cited(UNKNOWN, [])
# <<< 05.5

# fails: 05.5
# says: The source that is mentioned first becomes [1]
"""Numbers what is mentioned in the order in which it was found."""

# >>> 05.5
shown = {str(n): hit for n, hit in enumerate(hits, 1)}
mentioned = set(re.findall(r"\[([0-9]+)\]", text)) & set(shown)
numbers = {name: n for n, name in enumerate(sorted(mentioned, key=int), 1)}

def renumbered(marker: re.Match[str]) -> str:
    blank, name = marker.groups()
    if name not in shown:
        return ""
    return f"{blank}[{numbers.setdefault(name, len(numbers) + 1)}]"

# In one pass: one replacement after another would take [1], which was [3], for the model's [1].
cited = re.sub(r"( ?)\[([0-9]+)\]", renumbered, text)
return Cited(cited, [shown[name] for name in numbers]) if numbers else Cited(UNKNOWN, [])
# <<< 05.5

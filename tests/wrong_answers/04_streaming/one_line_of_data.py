# fails: 04.4
# says: Every line of the data is a `data:` line of its own
"""A token may be a line break."""

# >>> 04.4
if event is None:
    return b": ping\n\n"
return f"event: {event.name}\ndata: {event.data}\n\n".encode()
# <<< 04.4

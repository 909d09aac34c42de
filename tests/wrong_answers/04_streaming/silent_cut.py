# fails: 04.6
# says: what is raised now cuts the stream in silence
"""An error in the middle ends the body, and that is all the reader learns."""

# >>> 04.6
async for part in parts:
    if isinstance(part, Finish):
        yield Event(json.dumps(asdict(part)), "done")
        return
    yield Event(json.dumps({"text": part}), "delta")
yield Event(json.dumps({"type": "upstream_error", "message": "the answer broke off"}), "error")
# <<< 04.6

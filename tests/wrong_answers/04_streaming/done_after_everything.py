# fails: 04.6
# says: not one delta and then one `error`
"""finally: done. Also when it is not."""

# >>> 04.6
finish = Finish()
try:
    async for part in parts:
        if isinstance(part, Finish):
            finish = part
            break
        yield Event(json.dumps({"text": part}), "delta")
except UpstreamError as error:
    yield Event(json.dumps({"type": "upstream_error", "message": str(error)}), "error")
except httpx.TransportError:
    yield Event(json.dumps({"type": "upstream_error", "message": "the connection broke"}), "error")
except Exception:
    yield Event(json.dumps({"type": "internal_error", "message": "something went wrong on our side"}), "error")
yield Event(json.dumps(asdict(finish)), "done")
# <<< 04.6

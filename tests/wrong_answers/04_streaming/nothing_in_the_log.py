# fails: 04.6
# says: nobody will find the line
"""The log is told that something failed, not what and where."""

# >>> 04.6
kind, message = "upstream_error", "the answer broke off"
try:
    async for part in parts:
        if isinstance(part, Finish):
            yield Event(json.dumps(asdict(part)), "done")
            return
        yield Event(json.dumps({"text": part}), "delta")
except UpstreamError as error:
    message = str(error)
except httpx.TransportError:
    pass  # nothing to add
except Exception as error:
    logging.getLogger(__name__).error("an answer failed: %s", error)
    kind, message = "internal_error", "something went wrong on our side"
yield Event(json.dumps({"type": kind, "message": message}), "error")
# <<< 04.6

# fails: 04.6
# says: with what the exception carried
"""str(error) to the outside, whatever it is."""

# >>> imports
import sys
# <<< imports

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
except Exception:
    logging.getLogger(__name__).exception("an answer failed")
    kind, message = "internal_error", f"something went wrong: {sys.exc_info()[1]}"
yield Event(json.dumps({"type": kind, "message": message}), "error")
# <<< 04.6

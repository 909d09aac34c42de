# fails: 04.6
# says: `except BaseException` catches CancelledError too
"""Whatever happens becomes an error event, being told to stop as well."""

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
except BaseException:
    logging.getLogger(__name__).exception("an answer failed")
    kind, message = "internal_error", "something went wrong on our side"
yield Event(json.dumps({"type": kind, "message": message}), "error")
# <<< 04.6

# fails: 04.2
# says: message_stop never came
"""The loop ends, so the answer must have."""

# >>> 04.2
stop, usage = None, dict[str, int]()
async for event in events:
    match load(event):
        case {"type": "message_start", "message": {"usage": dict(counted)}}:
            usage |= counted
        case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}}:
            yield text
        case {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": dict(counted)}:
            stop = reason
            usage |= counted
        case {"type": "error", "error": {"message": str(message)}}:
            raise UpstreamError(message)
        case {"type": "message_stop"}:
            yield Finish(stop, usage.get("input_tokens"), usage.get("output_tokens"))
            return
yield Finish(stop, usage.get("input_tokens"), usage.get("output_tokens"))
# <<< 04.2

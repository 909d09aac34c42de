# fails: 04.2
# says: whatever its index
"""Text is expected in block 0, where thinking may be."""

# >>> 04.2
stop, usage = None, dict[str, int]()
async for event in events:
    match load(event):
        case {"type": "message_start", "message": {"usage": dict(counted)}}:
            usage |= counted
        case {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": str(text)}}:
            yield text
        case {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": dict(counted)}:
            stop = reason
            usage |= counted
        case {"type": "error", "error": {"message": str(message)}}:
            raise UpstreamError(message)
        case {"type": "message_stop"}:
            yield Finish(stop, usage.get("input_tokens"), usage.get("output_tokens"))
            return
raise UpstreamError("the provider broke off in the middle of an answer")
# <<< 04.2

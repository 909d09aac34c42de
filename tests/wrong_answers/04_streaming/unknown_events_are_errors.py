# fails: 04.2
# says: unknown events are no text of the answer
"""Whatever is new is taken for a failure."""

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
        case {"type": "ping" | "content_block_start" | "content_block_stop" | "content_block_delta" | "message_start"}:
            pass
        case {"type": other} if other != "message_stop" and other != "message_delta":
            raise UpstreamError(f"unknown event {other}")
        case {"type": "message_stop"}:
            yield Finish(stop, usage.get("input_tokens"), usage.get("output_tokens"))
            return
raise UpstreamError("the provider broke off in the middle of an answer")
# <<< 04.2

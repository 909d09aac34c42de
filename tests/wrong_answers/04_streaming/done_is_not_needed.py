# fails: 04.3
# says: [DONE] never came
"""A finish_reason came, or nothing more came: fine either way."""

# >>> 04.3
stop, usage = None, dict[str, int]()
async for event in events:
    if event.data == "[DONE]":
        yield Finish(stop, usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return
    chunk = load(event)
    if error := chunk.get("error"):
        raise UpstreamError(error["message"])
    usage = chunk.get("usage") or usage
    for choice in chunk.get("choices", []):  # the chunk that brings the usage has none
        if text := choice["delta"].get("content"):
            yield text
        stop = choice.get("finish_reason") or stop
yield Finish(stop, usage.get("prompt_tokens"), usage.get("completion_tokens"))
# <<< 04.3

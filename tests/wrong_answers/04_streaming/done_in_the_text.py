# fails: 04.3
# says: Only data that is [DONE] and nothing else is the end
"""A text that speaks of [DONE] ends the answer."""

# >>> 04.3
stop, usage = None, dict[str, int]()
async for event in events:
    if "[DONE]" in event.data:
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
raise UpstreamError("the provider broke off in the middle of an answer")
# <<< 04.3

# fails: 04.3
# says: IndexError
"""chunk['choices'][0], on a chunk that has none."""

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
    choice = chunk["choices"][0]
    if text := choice["delta"].get("content"):
        yield text
    stop = choice.get("finish_reason") or stop
raise UpstreamError("the provider broke off in the middle of an answer")
# <<< 04.3

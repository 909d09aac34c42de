# fails: 02.5
# says: A `dict` takes anything

# >>> 02.5 (2)
id: str
model: str
content: str
finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
usage: dict[str, Any]
# <<< 02.5

# >>> 02.5 (3)
@app.get("/v1/chat/{completion_id}", response_model=ChatResponse)
async def read_chat(completion_id: str) -> dict[str, Any]:
    """Return the completion of this id."""
    if completion_id not in COMPLETIONS:
        raise HTTPException(404, "no such completion")
    kept = COMPLETIONS[completion_id]
    usage = Usage.model_validate(kept["usage"])
    return {**kept, "usage": usage.model_dump()}
# <<< 02.5

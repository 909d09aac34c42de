# fails: 02.5
# says: a list of what to leave out is complete until somebody adds a field

# >>> 02.5 (3)
@app.get("/v1/chat/{completion_id}")
async def read_chat(completion_id: str) -> dict[str, Any]:
    """Return the completion of this id."""
    if completion_id not in COMPLETIONS:
        raise HTTPException(404, "no such completion")
    kept = COMPLETIONS[completion_id]
    usage = Usage.model_validate(kept["usage"])
    shown = {name: value for name, value in kept.items() if name not in ("provider_key", "system_prompt")}
    return {**shown, "usage": usage.model_dump()}
# <<< 02.5

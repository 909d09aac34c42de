# fails: 02.5
# says: went out to the caller

# >>> 02.5 (3)
@app.get("/v1/chat/{completion_id}")
async def read_chat(completion_id: str) -> dict[str, Any]:
    """Return the completion of this id."""
    if completion_id not in COMPLETIONS:
        raise HTTPException(404, "no such completion")
    return COMPLETIONS[completion_id]
# <<< 02.5

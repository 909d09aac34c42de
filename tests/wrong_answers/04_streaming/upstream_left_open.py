# fails: 04.4
# says: What is entered by hand stays open
"""Opened in time for a status, and never closed."""

# >>> 04.4 (2)
Prompt = Annotated[str, Body(embed=True, min_length=1, max_length=8_000)]


OPEN = []  # nothing is collected as garbage, as in a process that holds on to its requests


@api.post("/chat")
async def create_chat(prompt: Prompt, request: Request) -> StreamingResponse:
    """Answer a prompt, token by token."""
    answer = request.state.ask(prompt)
    OPEN.append(answer)
    try:
        events = await answer.__aenter__()
    except UpstreamError as error:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        raise HTTPException(error.status, str(error), headers) from error
    return StreamingResponse(
        (encode(event) async for event in events),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
# <<< 04.4

# fails: 04.4
# says: Collecting an answer and then sending it is no stream
"""Looks like a stream: every event in its frame. Sent when the last one is there."""

# >>> 04.4 (2)
Prompt = Annotated[str, Body(embed=True, min_length=1, max_length=8_000)]


async def open_answer(prompt: Prompt, request: Request) -> AsyncIterator[Events]:
    """Open the answer before there is a response, close it when the response is over."""
    stack = AsyncExitStack()
    try:
        events = await stack.enter_async_context(request.state.ask(prompt))
    except UpstreamError as error:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        raise HTTPException(error.status, str(error), headers) from error
    try:
        yield events
    finally:
        with anyio.CancelScope(shield=True):  # in a cancelled task the next await is cancelled too
            await stack.aclose()


@api.post("/chat")
async def create_chat(events: Annotated[Events, Depends(open_answer)]) -> StreamingResponse:
    """Answer a prompt, token by token."""
    frames = [encode(event) async for event in events]
    return StreamingResponse(
        iter(frames),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )
# <<< 04.4

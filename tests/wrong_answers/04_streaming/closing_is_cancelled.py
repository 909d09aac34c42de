# fails: 04.4
# says: closing it was cancelled at its first await
"""Closed in a finally of the cancelled task, without a shield."""

# >>> 04.4 (2)
Prompt = Annotated[str, Body(embed=True, min_length=1, max_length=8_000)]


@api.post("/chat")
async def create_chat(prompt: Prompt, request: Request) -> StreamingResponse:
    """Answer a prompt, token by token."""
    stack = AsyncExitStack()
    try:
        events = await stack.enter_async_context(request.state.ask(prompt))
    except UpstreamError as error:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        raise HTTPException(error.status, str(error), headers) from error

    async def frames() -> AsyncIterator[bytes]:
        async with stack:
            async for event in events:
                yield encode(event)

    return StreamingResponse(frames(), media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
# <<< 04.4

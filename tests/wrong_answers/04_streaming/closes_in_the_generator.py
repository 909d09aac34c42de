# fails: 04.4
# says: was never started, and then its `finally` never runs
"""The body's generator closes the answer, if it is ever started."""

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

    async def body() -> AsyncIterator[bytes]:
        try:
            async for event in events:
                yield encode(event)
        finally:
            with anyio.CancelScope(shield=True):
                await stack.aclose()

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)
# <<< 04.4

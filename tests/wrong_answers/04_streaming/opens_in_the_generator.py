# fails: 04.4
# says: the status line has gone out
"""The popular shape: the upstream is opened inside the body."""

# >>> 04.4 (2)
Prompt = Annotated[str, Body(embed=True, min_length=1, max_length=8_000)]


@api.post("/chat")
async def create_chat(prompt: Prompt, request: Request) -> StreamingResponse:
    """Answer a prompt, token by token."""

    async def frames() -> AsyncIterator[bytes]:
        stack = AsyncExitStack()
        try:
            events = await stack.enter_async_context(request.state.ask(prompt))
            async for event in events:
                yield encode(event)
        finally:
            with anyio.CancelScope(shield=True):
                await stack.aclose()

    return StreamingResponse(frames(), media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
# <<< 04.4

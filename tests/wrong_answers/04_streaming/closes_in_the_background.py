# fails: 04.4
# says: Background tasks run only behind a response that ended
"""A background task closes the answer; it runs only behind a whole response."""

# >>> imports
from starlette.background import BackgroundTask
# <<< imports

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

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        (encode(event) async for event in events),
        media_type="text/event-stream",
        headers=headers,
        background=BackgroundTask(stack.aclose),
    )
# <<< 04.4

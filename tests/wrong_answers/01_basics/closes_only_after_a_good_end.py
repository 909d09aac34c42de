# fails: 01.4
# says: The service ended by an error
"""What was opened is taken off the stack, so only the line after the yield closes it."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            state = {name: await stack.enter_async_context(make()) for name, make in factories.items()}
            opened = stack.pop_all()
        yield state
        await opened.aclose()

    return lifespan
# <<< 01.4

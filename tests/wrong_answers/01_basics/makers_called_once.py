# fails: 01.4
# says: Call the maker at each start
"""The makers are called when the lifespan is made, so it works for one start only."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    contexts = {name: make() for name, make in factories.items()}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            yield {name: await stack.enter_async_context(context) for name, context in contexts.items()}

    return lifespan
# <<< 01.4

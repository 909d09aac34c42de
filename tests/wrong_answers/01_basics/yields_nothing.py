# fails: 01.4
# says: becomes request.state
"""Everything is opened and nothing handed on."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            for make in factories.values():
                await stack.enter_async_context(make())
            yield {}

    return lifespan
# <<< 01.4

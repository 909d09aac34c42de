# fails: 01.4
# says: must not skip the rest
"""A plain loop closes the resources; the first error ends the loop."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        contexts: list[AbstractAsyncContextManager[Any]] = []
        opened: dict[str, Any] = {}
        try:
            for name, make in factories.items():
                context = make()
                opened[name] = await context.__aenter__()
                contexts.append(context)
            yield opened
        finally:
            for context in reversed(contexts):
                await context.__aexit__(None, None, None)

    return lifespan
# <<< 01.4

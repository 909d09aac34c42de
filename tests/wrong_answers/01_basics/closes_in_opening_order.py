# fails: 01.4
# says: one run of the service gave
"""First in, first out: what others lean on goes first."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            contexts = {name: make() for name, make in factories.items()}
            opened: dict[str, Any] = {}
            for name, context in contexts.items():
                try:
                    opened[name] = await context.__aenter__()
                except BaseException:
                    for done in reversed(list(opened)):
                        stack.push_async_exit(contexts[done])
                    raise
            for context in reversed(contexts.values()):
                stack.push_async_exit(context)
            yield opened

    return lifespan
# <<< 01.4

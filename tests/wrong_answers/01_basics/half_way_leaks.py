# fails: 01.4
# says: Nobody closed a and b
"""All are opened first, and only then the try begins."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        contexts = {name: make() for name, make in factories.items()}
        opened = {name: await context.__aenter__() for name, context in contexts.items()}
        try:
            yield opened
        finally:
            async with AsyncExitStack() as stack:
                for context in contexts.values():
                    stack.push_async_exit(context)

    return lifespan
# <<< 01.4

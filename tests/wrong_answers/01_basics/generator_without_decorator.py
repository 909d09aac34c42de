# fails: 01.4
# says: becomes an async context manager by
"""A bare async generator: Starlette takes it, with a sigh; nobody else can enter it."""

# >>> 01.4
def open_all(**factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
    """Make a lifespan that holds resources open; the one that `pool=open_pool` makes is `request.state.pool`."""

    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            yield {name: await stack.enter_async_context(make()) for name, make in factories.items()}

    return lifespan  # type: ignore[return-value]
# <<< 01.4

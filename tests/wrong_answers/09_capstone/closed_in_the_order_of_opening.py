# fails: 09.2
# says: The last has to be first
"""Looks right because everything is closed; the store is closed before the queue that writes into it."""

# >>> 09.2
@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    makers = {
        "service": service.open_logs, "store": service.open_store, "usage": service.open_usage,
        "access": service.open_access, "providers": service.open_providers, "chat": service.open_chat,
        "work": service.open_work, "ending": ending,
    }  # fmt: skip
    opened: list[Any] = []
    state: dict[str, Any] = {}
    try:
        for name, make in makers.items():
            one = make()
            state[name] = await one.__aenter__()
            opened.append(one)
        yield state
    finally:
        for one in opened:
            await one.__aexit__(None, None, None)


return lifespan
# <<< 09.2

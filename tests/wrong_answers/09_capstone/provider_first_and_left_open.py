# fails: 09.2
# says: stayed open: who closes them now?
"""Looks right because all is opened and closed; when the store does not open, nobody closes the provider's client."""

# >>> 09.2
from contextlib import asynccontextmanager as context


@context
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    makers = {
        "service": service.open_logs, "providers": service.open_providers, "store": service.open_store,
        "usage": service.open_usage, "access": service.open_access, "chat": service.open_chat,
        "work": service.open_work, "ending": ending,
    }  # fmt: skip
    opened = {name: make() for name, make in makers.items()}
    state = {name: await one.__aenter__() for name, one in opened.items()}
    try:
        yield state
    finally:
        for one in reversed(opened.values()):
            await one.__aexit__(None, None, None)


return lifespan
# <<< 09.2

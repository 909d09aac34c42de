# fails: 07.6
# says: what is closed by itself was held by nobody
"""Entered once; what was entered is garbage when the function returns."""

# >>> 07.6 (2)
from mangum import Mangum

async def with_state(scope: Any, receive: Any, send: Any) -> None:
    await app({**scope, "state": dict(state)}, receive, send)

handler = Mangum(with_state, lifespan="off")
state = asyncio.get_event_loop().run_until_complete(app.router.lifespan_context(app).__aenter__()) or {}
return handler
# <<< 07.6

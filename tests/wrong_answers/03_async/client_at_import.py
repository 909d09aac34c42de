# fails: 03.1
# says: made at import
"""One client for the process, opened when the module is imported, as tutorials have it."""

# >>> 03.1
CLIENT = httpx.AsyncClient(timeout=60.0)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    given: Settings = app.state.settings
    CLIENT.timeout = httpx.Timeout(connect=given.connect_s, write=given.write_s, read=given.read_s, pool=given.pool_s)
    yield {}
    await CLIENT.aclose()


async def get_http(request: Request) -> httpx.AsyncClient:
    return CLIENT
# <<< 03.1

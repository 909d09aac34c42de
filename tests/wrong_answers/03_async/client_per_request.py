# fails: 03.1
# says: client per request
"""A new client for every request: the pool is thrown away each time."""

# >>> 03.1
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {}


async def get_http(request: Request) -> AsyncIterator[httpx.AsyncClient]:
    given: Settings = request.app.state.settings
    timeout = httpx.Timeout(connect=given.connect_s, write=given.write_s, read=given.read_s, pool=given.pool_s)
    async with httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=given.max_connections)) as http:
        yield http
# <<< 03.1

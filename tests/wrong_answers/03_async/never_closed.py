# fails: 03.1
# says: Nobody closes it
"""The client is opened in the lifespan, and left open."""

# >>> 03.1
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Hold the process's one HTTP client open while the service runs."""
    given: Settings = app.state.settings
    timeout = httpx.Timeout(connect=given.connect_s, write=given.write_s, read=given.read_s, pool=given.pool_s)
    yield {"http": httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=given.max_connections))}


async def get_http(request: Request) -> httpx.AsyncClient:
    """Find the client that the lifespan opened."""
    return request.state.http
# <<< 03.1

# fails: 03.1
# says: One number for all
"""One timeout, in place of four; and the limit is httpx's own."""

# >>> 03.1
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Hold the process's one HTTP client open while the service runs."""
    given: Settings = app.state.settings
    async with httpx.AsyncClient(timeout=given.read_s) as http:
        yield {"http": http}


async def get_http(request: Request) -> httpx.AsyncClient:
    """Find the client that the lifespan opened."""
    return request.state.http
# <<< 03.1

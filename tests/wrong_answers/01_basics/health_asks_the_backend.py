# fails: 01.1
# says: needs nothing behind it
"""`/health` depends on the backend, so it fails with it, and before it is there."""

# >>> 01.1
app = FastAPI(title=title, description=description, version=version, lifespan=lifespan)

@app.get("/", tags=["system"])
async def read_service() -> dict[str, str]:
    """Say which service this is, and where its documentation is."""
    return {"service": title, "version": version, "docs": "/docs"}

@app.get("/health", tags=["system"])
async def read_health(backend: BackendDep) -> dict[str, str]:
    """Say that the backend is there."""
    return {"status": "ok"}
# <<< 01.1

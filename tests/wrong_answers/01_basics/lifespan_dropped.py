# fails: 01.1
# says: Was it passed to FastAPI
"""The factory takes a lifespan and forgets it."""

# >>> 01.1
app = FastAPI(title=title, description=description, version=version)

@app.get("/", tags=["system"])
async def read_service() -> dict[str, str]:
    """Say which service this is, and where its documentation is."""
    return {"service": title, "version": version, "docs": "/docs"}

@app.get("/health", tags=["system"])
async def read_health() -> dict[str, str]:
    """Say that the process answers; it promises nothing about what lies behind it."""
    return {"status": "ok"}
# <<< 01.1

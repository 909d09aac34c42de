# fails: 01.1
# says: take it from the arguments
"""`/` carries its own copy of the title and version."""

# >>> 01.1
app = FastAPI(title=title, description=description, version=version, lifespan=lifespan)

@app.get("/", tags=["system"])
async def read_service() -> dict[str, str]:
    """Say which service this is, and where its documentation is."""
    return {"service": "Model catalog", "version": "1.0.0", "docs": "/docs"}

@app.get("/health", tags=["system"])
async def read_health() -> dict[str, str]:
    """Say that the process answers; it promises nothing about what lies behind it."""
    return {"status": "ok"}
# <<< 01.1

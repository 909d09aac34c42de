# fails: 01.5
# says: called by hand instead of through Depends
"""The handler enters the dependency itself, so nothing can replace it."""

# >>> 01.5 (2)
@api.post("/chat")
async def create_reply(prompt: Annotated[str, Body(embed=True)], backend: BackendDep) -> dict[str, Any]:
    """Answer a prompt."""
    async with asynccontextmanager(borrow_slot)(backend) as slot:
        return {"slot": slot, "text": await backend.complete(prompt)}
# <<< 01.5

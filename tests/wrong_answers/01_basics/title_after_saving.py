# fails: 01.3
# says: What is changed in a session after save()
"""The row is written first and completed later, in memory only."""

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions", status_code=201)
async def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    session = Session(id=uuid4().hex, model=body.model, title="")
    await run_in_threadpool(backend.save, session)
    session.title = await backend.complete(body.prompt)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

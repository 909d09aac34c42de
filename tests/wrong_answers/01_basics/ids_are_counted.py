# fails: 01.3
# says: who has the same id overwrites the other
"""The next id is the number of rows plus one, for everybody who asks at this moment."""

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions", status_code=201)
async def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    title = await backend.complete(body.prompt)
    session = Session(id=str(len(backend.rows) + 1), model=body.model, title=title)
    await run_in_threadpool(backend.save, session)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

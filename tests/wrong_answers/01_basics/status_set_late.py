# fails: 01.3
# says: not seen by the docs
"""The status is set on the response, so the documentation promises 200."""

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions")
async def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    session = Session(id=uuid4().hex, model=body.model, title=await backend.complete(body.prompt))
    await run_in_threadpool(backend.save, session)
    response.status_code = 201
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

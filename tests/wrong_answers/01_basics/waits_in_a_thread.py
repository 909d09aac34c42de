# fails: 01.3
# says: keeps its thread until it returns
"""`def` for all of it: the loop is free, but each waiting user holds one of 40 threads."""

# >>> imports
from anyio import from_thread
# <<< imports

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions", status_code=201)
def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    session = Session(id=uuid4().hex, model=body.model, title=from_thread.run(backend.complete, body.prompt))
    backend.save(session)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

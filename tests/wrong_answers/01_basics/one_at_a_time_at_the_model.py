# fails: 01.3
# says: only 1 reached complete() at the same time
"""A lock around the call: a queue of users, each three seconds long."""

# >>> imports
import asyncio
# <<< imports

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


lock = asyncio.Lock()


@api.post("/sessions", status_code=201)
async def create_session(body: NewSession, backend: BackendDep, response: Response) -> Session:
    """Create a session, titled by the model."""
    async with lock:
        title = await backend.complete(body.prompt)
    session = Session(id=uuid4().hex, model=body.model, title=title)
    await run_in_threadpool(backend.save, session)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

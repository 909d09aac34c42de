# fails: 01.3
# says: When the answer went out, save() had not ended
"""BackgroundTasks: 201 is said first, and the session stored afterwards, or not."""

# >>> imports
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, Header, HTTPException, Query, Request, Response
# <<< imports

# >>> 01.3
class NewSession(BaseModel):
    """What a caller sends to create a session."""

    model: str = Field(min_length=1, max_length=64)
    prompt: str = Field(min_length=1, max_length=4_000)


@api.post("/sessions", status_code=201)
async def create_session(body: NewSession, backend: BackendDep, response: Response, tasks: BackgroundTasks) -> Session:
    """Create a session, titled by the model."""
    session = Session(id=uuid4().hex, model=body.model, title=await backend.complete(body.prompt))
    tasks.add_task(backend.save, session)
    response.headers["Location"] = f"/sessions/{session.id}"
    return session
# <<< 01.3

"""A chat as FastAPI has it."""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from tests.docs.why import model

# --8<-- [start:service]
app = FastAPI()


class Chat(BaseModel):
    prompt: str = Field(min_length=1)
    max_tokens: int = Field(256, ge=1, le=4096)


@app.post("/chat")
async def create_chat(chat: Chat) -> dict[str, str]:
    return {"answer": await model.answer(chat.prompt)}


@app.post("/stream", response_class=StreamingResponse)
async def stream_chat(chat: Chat) -> AsyncIterator[str]:
    async for word in model.words(chat.prompt):
        yield word


# --8<-- [end:service]

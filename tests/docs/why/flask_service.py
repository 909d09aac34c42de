"""The same chat as Flask has it, with Pydantic at its side."""

from collections.abc import Iterator

from flask import Flask, Response, request
from pydantic import BaseModel, Field, ValidationError

from tests.docs.why import model

# --8<-- [start:service]
app = Flask(__name__)


class Chat(BaseModel):
    prompt: str = Field(min_length=1)
    max_tokens: int = Field(256, ge=1, le=4096)


@app.errorhandler(ValidationError)
def refuse(error: ValidationError) -> tuple[dict[str, object], int]:
    return {"detail": error.errors(include_url=False, include_input=False)}, 422


@app.post("/chat")
async def create_chat() -> dict[str, str]:
    chat = Chat.model_validate_json(request.data)
    return {"answer": await model.answer(chat.prompt)}


@app.post("/stream")
def stream_chat() -> Response:
    chat = Chat.model_validate_json(request.data)
    words: Iterator[str] = (word.upper() + " " for word in chat.prompt.split())  # of a blocking client
    return Response(words, mimetype="text/plain")


# --8<-- [end:service]

"""The same chat as Django has it, with Ninja."""

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from ninja import NinjaAPI
from pydantic import BaseModel, Field

from tests.docs.why import model

# --8<-- [start:service]
api = NinjaAPI()


class Chat(BaseModel):
    prompt: str = Field(min_length=1)
    max_tokens: int = Field(256, ge=1, le=4096)


@api.post("/chat")
async def create_chat(request: HttpRequest, chat: Chat) -> dict[str, str]:
    return {"answer": await model.answer(chat.prompt)}


@api.post("/stream")
async def stream_chat(request: HttpRequest, chat: Chat) -> StreamingHttpResponse:
    return StreamingHttpResponse(model.words(chat.prompt), content_type="text/plain")


urlpatterns = [path("", api.urls)]
app = get_asgi_application()
# --8<-- [end:service]

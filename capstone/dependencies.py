"""What routes ask for, by name. Each `Caller` is lesson 08's check, with the scopes that it wants."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from capstone.parts import auth
from capstone.services.access import Access
from capstone.services.chat import ChatService
from capstone.services.providers import Providers
from capstone.store import Store


async def get_chat(request: Request) -> ChatService:
    """Find what the lifespan opened."""
    return request.state.chat


async def get_access(request: Request) -> Access:
    """Find what the lifespan opened."""
    return request.state.access


async def get_providers(request: Request) -> Providers:
    """Find what the lifespan opened."""
    return request.state.providers


async def get_store(request: Request) -> Store:
    """Find what the lifespan opened."""
    return request.state.store


Caller = Annotated[Any, Security(auth.authorized)]  # a Principal: anybody we know
Chatter = Annotated[Any, Security(auth.authorized, scopes=["chat"])]
KeyKeeper = Annotated[Any, Security(auth.authorized, scopes=["keys"])]
ChatDep = Annotated[ChatService, Depends(get_chat)]
AccessDep = Annotated[Access, Depends(get_access)]
ProvidersDep = Annotated[Providers, Depends(get_providers)]
StoreDep = Annotated[Store, Depends(get_store)]


class HotRoute(APIRoute):
    """A route that is asked thousands of times a second: `endpoint(request, caller, chat)`, for the scope `chat`.

    FastAPI solves dependencies anew for each request, which costs as much as all else that we do. So whoever lesson
    08's keys and tokens have vouched for already (`middleware.Authenticate`) goes straight to the endpoint. Others
    take the usual way, where lesson 08's dependencies refuse them. Other dependencies do not run: give it none.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        state = scope["state"]
        asked = state["services"]
        who = asked.principal
        if who is None or "chat" not in who.scopes or who.tenant in asked.suspended or scope["method"] != "POST":
            await super().handle(scope, receive, send)
        else:
            response: Response = await self.endpoint(Request(scope, receive, send), who, state["chat"])
            await response(scope, receive, send)

"""What routes ask for, by name. Each `Caller` is lesson 08's check, with the scopes that it wants."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute

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

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Return what answers a request."""
        usual = super().get_route_handler()

        async def handle(request: Request) -> Response:
            state = request.scope["state"]
            asked = state["services"]
            principal = asked.principal
            if principal is None or "chat" not in principal.scopes or principal.tenant in asked.suspended:
                return await usual(request)
            return await self.endpoint(request, principal, state["chat"])

        return handle

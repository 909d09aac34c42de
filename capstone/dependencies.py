"""What routes ask for, by name. Each `Caller` is lesson 08's check, with the scopes that it wants."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security

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

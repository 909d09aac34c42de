"""What the service needs of each lesson: Protocols, nothing else. A lesson's module satisfies its port as a whole."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.types import Lifespan


class Basics(Protocol):
    """Lesson 01: the application and what it holds open."""

    def create_app(
        self,
        *,
        title: str = ...,
        description: str = ...,
        version: str = ...,
        routers: Sequence[APIRouter] | None = None,
        lifespan: Lifespan[FastAPI] | None = None,
    ) -> FastAPI:
        """Build an application with `/`, `/health` and these routers."""
        ...

    def open_all(self, **factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
        """Make a lifespan that holds resources open; each is `request.state.<name>`."""
        ...


class Models(Protocol):
    """Lesson 02: what comes in, what goes out, and how errors leave."""

    ChatRequest: type[BaseModel]
    """`model`, `messages`, `temperature`, `max_tokens`, `stream`."""
    ChatResponse: type[BaseModel]
    """`id`, `model`, `content`, `finish_reason`, `usage`."""
    ErrorResponse: type[BaseModel]
    """`error`, `fields`."""
    CATALOG: MutableMapping[str, Any]
    """The models that a request may name; validation looks here each time."""

    def add_error_handlers(self, app: FastAPI) -> None:
        """Send every error of `app` as an ErrorResponse."""
        ...

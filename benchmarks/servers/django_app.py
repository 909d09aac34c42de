"""The Django servers under test: `gunicorn django_app:wsgi` and `uvicorn --factory django_app:asgi`.

Settings of production, and of the apps that Django would add only what the other servers do: no database, no sessions,
no middleware.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from django.conf import settings  # pyright: ignore[reportMissingImports] - bench extra
from django.http import HttpRequest, JsonResponse  # pyright: ignore[reportMissingImports] - bench extra
from django.urls import path  # pyright: ignore[reportMissingImports] - bench extra

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY=os.urandom(32).hex(),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=[],
)
urlpatterns: list[Any] = []


def wsgi() -> Callable[..., Any]:
    """Serve a sync view."""
    from blocking_client import ask
    from django.core.wsgi import get_wsgi_application  # pyright: ignore[reportMissingImports] - bench extra

    def create_chat(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"answer": ask(json.loads(request.body)["prompt"])})

    urlpatterns.append(path("chat", create_chat))
    return get_wsgi_application()


def asgi() -> Callable[..., Any]:
    """Serve an async view with one shared client, which lives as long as the process."""
    from async_client import ask, make_client
    from django.core.asgi import get_asgi_application  # pyright: ignore[reportMissingImports] - bench extra

    client = make_client()

    async def create_chat(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"answer": await ask(client, json.loads(request.body)["prompt"])})

    urlpatterns.append(path("chat", create_chat))
    return get_asgi_application()

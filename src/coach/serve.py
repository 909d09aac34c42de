"""Serve an app with its documentation page complete: FastAPI's own page fetches its scripts from another host."""

import importlib
import os
from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

ASSETS = Path(fastapi_offline.__file__).parent / "static"
URL = "/docs-assets"
REDOC = "redoc.standalone.js"
ELSEWHERE = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""The logo that Redoc draws at its foot, the one thing that its script asks another host for."""
NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def lesson_app() -> FastAPI:
    """Load the app of the lesson that `COACH_LESSON` names, for `uvicorn --factory`."""
    app: FastAPI = importlib.import_module(f"lessons.{os.environ['COACH_LESSON']}.app").app
    serve_docs_offline(app)
    return app


def serve_docs_offline(app: FastAPI) -> None:
    """Answer `/docs` and `/redoc` from files of this machine; an app without these pages stays without."""
    docs, redoc = app.docs_url, app.redoc_url
    app.router.routes = [route for route in app.router.routes if getattr(route, "path", "") not in (docs, redoc)]

    async def read_docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=f"{app.title} - docs",
            swagger_js_url=f"{URL}/swagger-ui-bundle.js",
            swagger_css_url=f"{URL}/swagger-ui.css",
            swagger_favicon_url=f"{URL}/favicon.png",
            oauth2_redirect_url=app.swagger_ui_oauth2_redirect_url,
            init_oauth=app.swagger_ui_init_oauth,
            swagger_ui_parameters=app.swagger_ui_parameters,
        )

    async def read_redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url=app.openapi_url or "",
            title=f"{app.title} - docs",
            redoc_js_url=f"{URL}/{REDOC}",
            redoc_favicon_url=f"{URL}/favicon.png",
            with_google_fonts=False,
        )

    if docs:
        app.add_api_route(docs, read_docs, include_in_schema=False)
    if redoc:
        app.add_api_route(redoc, read_redoc, include_in_schema=False)
    if docs or redoc:
        app.mount(URL, _Assets(directory=ASSETS), name="docs-assets")


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        if path == REDOC:
            return Response(_redoc(), media_type="text/javascript")
        return await super().get_response(path, scope)


@cache
def _redoc() -> str:
    return (ASSETS / REDOC).read_text(encoding="utf-8").replace(ELSEWHERE, NOTHING)

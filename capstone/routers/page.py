"""The chat page: files of `web/`, and lesson 04's reader, whoever wrote it."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, Field

from capstone.parts import PARTS, ROOT

WEB = Path(__file__).resolve().parents[1] / "web"
READER = ROOT / next(part.file for part in PARTS if part.lesson.startswith("04")).replace("app.py", "static/reader.js")
FILES = {
    "style.css": (WEB / "style.css", "text/css"),
    "page.js": (WEB / "page.js", "text/javascript"),
    "completion.js": (WEB / "completion.js", "text/javascript"),
    "reader.js": (READER, "text/javascript"),
}
# Text of a model ends up on the page: no script but ours runs there, and nothing is fetched from anywhere else.
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a reader that was just finished is seen at the next reload
}
router = APIRouter(tags=["system"], include_in_schema=False)


class PageConfig(BaseModel):
    """What the page has to know before anybody has a key."""

    provider: str = Field(description="Who answers, in words.")
    model: str = Field(description="The model that is asked by default.")
    key: str | None = Field(description="A key that works out of the box, on this machine alone.")


@router.get("/chat")
async def read_page() -> FileResponse:
    """Return the page."""
    return FileResponse(WEB / "index.html", media_type="text/html", headers=SAFE)


@router.get("/chat/")
async def without_slash() -> RedirectResponse:
    """Lead to the page: its links are relative."""
    return RedirectResponse("../chat")


@router.get("/chat/config")
async def read_config(request: Request) -> PageConfig:
    """Say who answers, and with which key one may try it."""
    chat: Any = request.state.chat
    names = chat.providers.names
    provider = "offline: a fake model answers" if names == ["offline"] else ", ".join(names)
    return PageConfig(
        provider=provider, model=chat.providers.default_model, key="demo" if chat.settings.is_demo else None
    )


@router.get("/web/{name}")
async def read_file(name: str) -> FileResponse:
    """Return a file of the page."""
    if name not in FILES:
        raise HTTPException(404, "There is no such file.")
    path, kind = FILES[name]
    return FileResponse(path, media_type=kind, headers=SAFE)

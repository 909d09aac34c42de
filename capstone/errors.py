"""The tree of errors, and the one shape in which each of them leaves.

ApiError         we refuse: status, sentence, and what a program can look at
ProviderError    a provider did not answer; what lessons 03 and 06 know as their LLMError
"""

import inspect
import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from capstone.parts import calls, production
from capstone.store.outage import DatabaseAway, Unstorable

log = logging.getLogger("capstone.providers")
OF_STARLETTE = {  # what a router says by itself, and the way out
    "Not Found": "There is no such path; /docs has them all.",
    "Method Not Allowed": "This path takes another method; /docs says which.",
}


class ApiError(Exception):
    """A refusal that we mean: its words are for callers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})


class ProviderError(calls.LLMError, production.LLMError):  # type: ignore[misc, name-defined]
    """A provider gave no usable answer. `status` is its status, None if none came. The text is for the log alone.

    `code` is the provider's own word for what is wrong. Its sentence is not here: it may quote the prompt.
    """

    code: str = ""


def refusal(provider: str, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
    """Make the error of an answer that is none. What the provider wrote goes to the log on level debug alone."""
    log.debug("%s answered %d: %s", provider, status, body[:2_000].decode(errors="replace"))
    try:
        said = json.loads(body)["error"]
        words = [word for word in (said.get("type"), said.get("code")) if isinstance(word, str) and word.isidentifier()]
    except (ValueError, KeyError, TypeError, AttributeError):
        words = []
    error = ProviderError(f"{provider} answered {status} {' '.join(words)}".strip(), status, retry_after_s)
    error.code = words[-1] if words else ""
    return error


def add_error_handlers(app: FastAPI) -> None:
    """Answer an ApiError in its own words; `OneShape` gives them their form.

    The parts meet here: what one of them raises, another one's handler puts into words. Lesson 08 may raise an
    HTTPException with any detail, lesson 02 promises to handle one that is a sentence.
    """
    for kind in (StarletteHTTPException, HTTPException):
        if handler := app.exception_handlers.get(kind):
            app.exception_handlers[kind] = in_a_sentence(handler)

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: ApiError) -> JSONResponse:
        body: dict[str, Any] = {"message": error.message, "code": error.code, "param": error.param}
        return JSONResponse(body, error.status, error.headers)

    @app.exception_handler(DatabaseAway)
    async def wait(_: Request, error: DatabaseAway) -> JSONResponse:
        # An outage is one line, which the store writes; what happens without one, like a lock, is told here.
        logging.getLogger("capstone.store").log(error.level, "the database is away: %s", error)
        words = "The database does not answer; ask again in a moment."
        return JSONResponse({"message": words, "code": "database_away"}, 503, {"Retry-After": "1"})

    @app.exception_handler(Unstorable)
    async def cannot(_: Request, error: Unstorable) -> JSONResponse:
        logging.getLogger("capstone.store").warning("a value was not kept: %s", error)
        words = "The request holds a value that cannot be kept: too long, too large, or with a character that is none."
        return JSONResponse({"message": words, "code": "unstorable"}, 422)


def in_a_sentence(handler: Any) -> Any:
    """Let a handler see every HTTPException with a detail that is a text."""

    async def handle(request: Request, error: Any) -> Any:
        if not isinstance(error.detail, str):
            detail = error.detail.get("message", "") if isinstance(error.detail, Mapping) else ""
            error = HTTPException(error.status_code, str(detail), error.headers)
        elif error.detail in OF_STARLETTE:
            error = HTTPException(error.status_code, OF_STARLETTE[error.detail], error.headers)
        answer = handler(request, error)
        return await answer if inspect.isawaitable(answer) else answer

    return handle


def openai_error(status: int, message: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": type_of(status), "param": param, "code": code}}


def type_of(status: int) -> str:
    """Return OpenAI's word for errors of this status."""
    words = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    return words.get(status, "invalid_request_error" if status < 500 else "api_error")

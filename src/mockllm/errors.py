"""Errors as each API words them."""

from dataclasses import dataclass, field
from typing import Any

from .chat import Provider
from .script import Failure


@dataclass
class ApiError(Exception):
    """A request that the API answers with an error; `param` and `code` are OpenAI's."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, provider: Provider, request_id: str) -> dict[str, Any]:
        """The JSON body of the error.

        Source: https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors
        """
        if provider == "openai":
            error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
            return {"error": error}
        return {"type": "error", "error": {"type": self.type, "message": self.message}, "request_id": request_id}


# status -> (type, code, message)
_OPENAI: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request was malformed."),
    401: (
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided: mock-***. "
        "You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    409: ("invalid_request_error", None, "The resource was updated by another request."),
    413: ("invalid_request_error", None, "Request body is larger than the maximum allowed size."),
    422: ("invalid_request_error", None, "The request could not be processed."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again later.",
    ),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The engine is currently overloaded, please try again later"),
}
_ANTHROPIC: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request was malformed."),
    401: ("authentication_error", None, "invalid x-api-key"),
    403: ("permission_error", None, "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", None, "Not found"),
    413: ("request_too_large", None, "Request exceeds the maximum size"),
    429: (
        "rate_limit_error",
        None,
        "This request would exceed your organization's rate limit. Please try again later.",
    ),
    500: ("api_error", None, "Internal server error"),
    503: ("api_error", None, "Service unavailable"),
    504: ("timeout_error", None, "Request timed out"),
    529: ("overloaded_error", None, "Overloaded"),
}


def scripted_error(failure: Failure, provider: Provider) -> ApiError:
    """The error that a script asks for, in the words of `provider`."""
    if provider == "openai":
        kind, code, message = _OPENAI.get(failure.status, ("server_error", None, f"Error {failure.status}"))
    else:
        kind, code, message = _ANTHROPIC.get(failure.status, ("api_error", None, f"Error {failure.status}"))
    headers: dict[str, str] = {}
    if failure.retry_after is not None:
        headers["retry-after"] = f"{failure.retry_after:g}"
    if failure.status == 429 and provider == "openai":
        headers |= {"x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "0"}
    if failure.status == 429 and provider == "anthropic":
        headers |= {"anthropic-ratelimit-requests-limit": "3", "anthropic-ratelimit-requests-remaining": "0"}
    return ApiError(
        failure.status,
        failure.message or message,
        failure.type or kind,
        code=failure.code or (code if failure.type is None else None),
        headers=headers,
    )

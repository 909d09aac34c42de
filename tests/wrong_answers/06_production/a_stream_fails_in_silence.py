# fails: 06.3
# says: a stream failed with an LLMError, and its text is in no line
"""Looks first whether the answer has begun, and raises again what somebody else may log."""

# >>> 06.3
class CatchErrors:
    """ASGI middleware: what nobody expected is a 500. A handler for Exception would stand outside of all middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request."""
        started = scope["type"] != "http"

        async def send_on(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except LLMError as error:
            if started:
                raise
            await (await answer_llm_error(Request(scope), error))(scope, receive, send)
        except Exception:
            log.exception("unexpected error")
            if started:
                raise  # then the server cuts the connection, and nobody takes half an answer for a whole one
            await error_response(500, "internal_error", "Something went wrong here.")(scope, receive, send)


async def answer_llm_error(_: Request, error: Any) -> Response:
    """Say that the model gave no answer, and when to come back."""
    log.warning("no answer, status %s: %s", error.status, error)
    status = {None: 504, 429: 429, 503: 503, 529: 503}.get(error.status, 502)
    headers = {} if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
    return error_response(status, "llm_error", "The model gave no answer.", headers)


def add_error_handlers(app: FastAPI) -> None:
    """Make an answer of whatever goes wrong in `app`."""
    app.add_middleware(CatchErrors)
# <<< 06.3

# fails: 06.3
# says: the outermost layer, where REQUEST_ID is no longer set
"""@app.exception_handler(Exception), as everybody has it."""

# >>> 06.3

def add_error_handlers(app: FastAPI) -> None:
    """Make an answer of whatever goes wrong in `app`."""

    @app.exception_handler(Exception)
    async def answer_bug(request: Request, error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return error_response(500, "internal_error", "Something went wrong here.")

    @app.exception_handler(LLMError)
    async def answer_llm_error(_: Request, error: Any) -> Response:
        log.warning("no answer, status %s: %s", error.status, error)
        status = {None: 504, 429: 429, 503: 503, 529: 503}.get(error.status, 502)
        headers = {} if error.retry_after_s is None else {"retry-after": str(math.ceil(error.retry_after_s))}
        return error_response(status, "llm_error", "The model gave no answer.", headers)
# <<< 06.3

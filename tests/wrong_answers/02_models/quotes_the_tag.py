# fails: 02.6
# says: even the sentence quotes it

# >>> 02.6
def add_error_handlers(app: FastAPI) -> None:
    """Send every error of `app` as an ErrorResponse."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        fields: dict[str, str] = {}
        for error in exc.errors():
            path = [] if error["type"] == "json_invalid" else error["loc"][1:]
            # Of pydantic's sentences only this one quotes the caller.
            words = error["msg"]
            fields[".".join(map(str, path)) or "body"] = words
        return JSONResponse(ErrorResponse(error="the request is not valid", fields=fields).model_dump(), 422)

    # FastAPI's HTTPException is a child of Starlette's, and the router's own 404 and 405 are not FastAPI's.
    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, exc: StarletteHTTPException) -> JSONResponse:
        body = ErrorResponse(error=str(exc.detail))
        return JSONResponse(body.model_dump(), exc.status_code, exc.headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, exc: Exception) -> JSONResponse:
        # Starlette raises it again behind our back, so the server's log has it.
        return JSONResponse(ErrorResponse(error="internal server error").model_dump(), 500)


add_error_handlers(app)
# <<< 02.6

# fails: 06.4
# says: Close to 0 means the time until the status line
"""BaseHTTPMiddleware: the response is there when its headers are."""

# >>> 06.4
from starlette.middleware.base import BaseHTTPMiddleware

if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
asked = Headers(scope=scope).get("x-request-id", "")
request_id = asked if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", asked) else uuid.uuid4().hex
token = REQUEST_ID.set(request_id)

async def dispatch(request: Any, call_next: Any) -> Any:
    started, status, complete = time.perf_counter(), 500, False
    try:
        response = await call_next(request)
        status, complete = response.status_code, True
        response.headers["x-request-id"] = request_id
        return response
    finally:
        seconds = time.perf_counter() - started
        self.done(Served(scope["method"], scope["path"], route_of(scope), status, seconds, complete))

try:
    await BaseHTTPMiddleware(self.app, dispatch)(scope, receive, send)
finally:
    REQUEST_ID.reset(token)
# <<< 06.4

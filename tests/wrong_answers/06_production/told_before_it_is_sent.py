# fails: 06.4
# says: the last byte has gone when `await send(message)` has returned
"""Tells that the answer is complete, and then sends the rest of it."""

# >>> 06.4
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
asked = Headers(scope=scope).get("x-request-id", "")
request_id = asked if re.fullmatch(r"[A-Za-z0-9._-]{8,64}", asked) else uuid.uuid4().hex
token, started, status, told = REQUEST_ID.set(request_id), time.perf_counter(), 500, False

def tell(complete: bool) -> None:
    nonlocal told
    if not told:
        told = True
        seconds = time.perf_counter() - started  # time.time() is set by others, now and then
        self.done(Served(scope["method"], scope["path"], route_of(scope), status, seconds, complete))

async def send_on(message: Message) -> None:
    nonlocal status
    if message["type"] == "http.response.start":
        status = message["status"]
        MutableHeaders(scope=message)["x-request-id"] = request_id
    if message["type"] == "http.response.body" and not message.get("more_body"):
        tell(complete=True)
    await send(message)

try:
    await self.app(scope, receive, send_on)
finally:
    tell(complete=False)
    REQUEST_ID.reset(token)
# <<< 06.4

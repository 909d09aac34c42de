# fails: 06.4
# says: 8 to 64 of A-Z
"""Whatever the caller calls it goes into the log and back."""

# >>> 06.4
if scope["type"] != "http":
    await self.app(scope, receive, send)
    return
asked = Headers(scope=scope).get("x-request-id", "")
request_id = asked or uuid.uuid4().hex
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
    await send(message)
    if message["type"] == "http.response.body" and not message.get("more_body"):
        tell(complete=True)  # not below: background tasks may run on for a minute

try:
    await self.app(scope, receive, send_on)
finally:
    tell(complete=False)
    REQUEST_ID.reset(token)
# <<< 06.4

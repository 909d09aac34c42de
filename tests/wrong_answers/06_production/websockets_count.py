# fails: 06.2
# says: only scopes of type http count
"""Leaves out the lifespan, and counts websockets."""

# >>> 06.2 (2)
caller = self.caller_of(scope) if scope["type"] != "lifespan" else None
if caller is None:
    await self.app(scope, receive, send)
    return
verdict = await self.limiter.hit(caller)
reset = str(max(math.ceil(verdict.reset_s), 1))
told = {"x-ratelimit-limit": str(self.limiter.limit), "x-ratelimit-remaining": str(verdict.remaining)}
told["x-ratelimit-reset"] = reset
if not verdict.allowed:
    no = error_response(429, "rate_limited", f"Try again in {reset} s.", {**told, "retry-after": reset})
    await no(scope, receive, send)
    return

async def send_on(message: Message) -> None:
    if message["type"] == "http.response.start":
        MutableHeaders(scope=message).update(told)
    await send(message)

await self.app(scope, receive, send_on)
# <<< 06.2

# fails: 06.2
# says: A number of ten digits is a point in time
"""X-RateLimit-Reset as some services have it, and Retry-After with it."""

# >>> 06.2 (2)
caller = self.caller_of(scope) if scope["type"] == "http" else None
if caller is None:
    await self.app(scope, receive, send)
    return
verdict = await self.limiter.hit(caller)
reset = str(math.ceil(time.time() + verdict.reset_s))
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

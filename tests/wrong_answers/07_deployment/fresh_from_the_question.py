# fails: 07.1
# says: fresh_s begins when the parts have answered
"""The time is taken where the question begins; a slow part eats the freshness of its answer."""

# >>> 07.1
loop = asyncio.get_running_loop()

async def state(part: Part) -> str:
    try:
        async with asyncio.timeout(self.timeout_s):
            await part.ping()
    except TimeoutError:
        return "timeout"
    except Exception:
        logger.exception("%s is not well", part.name)
        return "failed"
    return "ok"

async with self.lock:
    if (now := loop.time()) >= self.known_until:
        ours = [part for part in self.parts if part.kind != "remote"]
        states = await asyncio.gather(*(state(part) for part in ours))
        self.known = {part.name: said for part, said in zip(ours, states, strict=True)}
        self.known_until = now + self.fresh_s
    return self.known
# <<< 07.1

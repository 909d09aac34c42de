# fails: 07.1
# says: the probe tells strangers
"""The operator wants to see what is wrong."""

# >>> 07.1
loop = asyncio.get_running_loop()

async def state(part: Part) -> str:
    try:
        async with asyncio.timeout(self.timeout_s):
            await part.ping()
    except TimeoutError:
        return "timeout"
    except Exception as error:  # what went wrong is for the log: the probe's answer is read by strangers
        logger.exception("%s is not well", part.name)
        return f"failed: {error!r}"
    return "ok"

async with self.lock:  # who comes while the parts are asked waits for that answer, and asks nobody
    if loop.time() >= self.known_until:
        ours = [part for part in self.parts if part.kind != "remote"]
        states = await asyncio.gather(*(state(part) for part in ours))
        self.known = {part.name: said for part, said in zip(ours, states, strict=True)}
        self.known_until = loop.time() + self.fresh_s
    return self.known
# <<< 07.1

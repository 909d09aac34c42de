# fails: 03.4
# says: gather() leaves the others running when one raises
"""gather() raises the bare error at once, and the other calls go on."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
slots = asyncio.Semaphore(limit)

async def one(prompt: str) -> str | CallFailed:
    async with slots:
        try:
            return await ask(prompt)
        except CallFailed as error:
            if error.status == 401:
                raise
            return error

return await asyncio.gather(*(one(prompt) for prompt in prompts))
# <<< 03.4

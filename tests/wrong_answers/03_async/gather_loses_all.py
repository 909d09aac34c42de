# fails: 03.4
# says: the other two answers are lost
"""A plain gather(): the first error is all that comes back."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
slots = asyncio.Semaphore(limit)

async def one(prompt: str) -> Reply:
    async with slots:
        return await llm.generate([Message(role="user", content=prompt)])

return list(await asyncio.gather(*(one(prompt) for prompt in prompts)))
# <<< 03.4

# fails: 03.4
# says: hide every bug
"""gather(return_exceptions=True): a bug is handed out as an answer."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
slots = asyncio.Semaphore(limit)

async def one(prompt: str) -> Reply:
    async with slots:
        return await llm.generate([Message(role="user", content=prompt)])

answers: list[Any] = await asyncio.gather(*(one(prompt) for prompt in prompts), return_exceptions=True)
return answers
# <<< 03.4

# fails: 03.4
# says: gather() leaves the others running
"""Each call catches its own LLMError, but gather() lets the rest run on when one has a bug."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
slots = asyncio.Semaphore(limit)

async def one(prompt: str) -> Reply | LLMError:
    async with slots:
        try:
            return await llm.generate([Message(role="user", content=prompt)])
        except LLMError as error:
            return error

return await asyncio.gather(*(one(prompt) for prompt in prompts))
# <<< 03.4

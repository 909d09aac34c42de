# fails: 03.4
# says: they were cancelled, but not awaited
"""The calls of a batch are asked to end, and nobody waits until they have."""

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

calls = [asyncio.ensure_future(one(prompt)) for prompt in prompts]
try:
    return await asyncio.gather(*calls)
finally:
    for call in calls:
        call.cancel()
# <<< 03.4

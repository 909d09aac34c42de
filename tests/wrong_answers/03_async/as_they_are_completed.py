# fails: 03.4
# says: in the order in which calls ended
"""Answers in the order in which the calls end."""

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

# gather() would raise a bug in one call at once, and let the other calls run on and cost money.
async with asyncio.TaskGroup() as group:
    answers = [await call for call in asyncio.as_completed([group.create_task(one(prompt)) for prompt in prompts])]
return answers
# <<< 03.4

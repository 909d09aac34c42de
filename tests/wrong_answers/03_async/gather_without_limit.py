# fails: 03.4
# says: nothing held them back
"""gather() over all prompts, and `limit` only checked."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")

async def one(prompt: str) -> Reply | LLMError:
    try:
        return await llm.generate([Message(role="user", content=prompt)])
    except LLMError as error:
        return error

async with asyncio.TaskGroup() as group:
    calls = [group.create_task(one(prompt)) for prompt in prompts]
return [call.result() for call in calls]
# <<< 03.4

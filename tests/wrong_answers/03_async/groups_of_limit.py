# fails: 03.4
# says: slowest of each group
"""Groups of `limit`, one group after another."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")

async def one(prompt: str) -> Reply | LLMError:
    try:
        return await llm.generate([Message(role="user", content=prompt)])
    except LLMError as error:
        return error

answers: list[Reply | LLMError] = []
for start in range(0, len(prompts), limit):
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one(prompt)) for prompt in prompts[start : start + limit]]
    answers += [call.result() for call in calls]
return answers
# <<< 03.4

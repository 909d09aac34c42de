# fails: 03.4
# says: A 401 is no entry of the list: it ends the batch
"""As lesson 03 has it: every CallFailed stands in its place."""

# >>> 03.4
if limit < 1:
    raise ValueError(f"limit must be at least 1, got {limit}")
slots = asyncio.Semaphore(limit)

async def one(prompt: str) -> str | CallFailed:
    async with slots:
        try:
            return await ask(prompt)
        except CallFailed as error:
            return error

async with asyncio.TaskGroup() as group:
    calls = [group.create_task(one(prompt)) for prompt in prompts]
return [call.result() for call in calls]
# <<< 03.4

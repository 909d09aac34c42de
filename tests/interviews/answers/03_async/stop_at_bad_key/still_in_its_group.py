# fails: 03.4
# says: a task group wraps it
"""Raises in a task group, and lets the group's own exception out."""

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

async with asyncio.TaskGroup() as group:
    calls = [group.create_task(one(prompt)) for prompt in prompts]
return [call.result() for call in calls]
# <<< 03.4

# fails: 03.4
# says: a fourth call began after the key was refused
"""Everything is right but the moment when the slot is free again."""

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

try:
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one(prompt)) for prompt in prompts]
except* CallFailed as refused:
    failed = refused.exceptions[0]
else:
    return [call.result() for call in calls]
raise failed
# <<< 03.4

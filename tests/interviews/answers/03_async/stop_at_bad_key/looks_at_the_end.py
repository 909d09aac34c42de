# fails: 03.4
# says: the batch goes on
"""Collects everything first and looks for the 401 when all is over."""

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
answers = [call.result() for call in calls]
for answer in answers:
    if isinstance(answer, CallFailed) and answer.status == 401:
        raise answer
return answers
# <<< 03.4

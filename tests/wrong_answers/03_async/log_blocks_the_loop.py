# fails: 03.7
# says: if it is a plain def
"""An `async def` background task around a log that blocks."""

# >>> 03.7
async def log_usage(log: Callable[[Reply], None], reply: Reply) -> None:
    """Log what a call cost; if that fails, say so and nothing more."""
    try:
        log(reply)
    except Exception:
        logger.exception("usage of %s was not logged: %s", reply.model, reply.usage)


@api.post("/generate")
async def create_reply(prompt: Prompt, service: Service, log: UsageLog, background: BackgroundTasks) -> Reply:
    """Answer a conversation."""
    reply = await service.generate(prompt.messages, max_tokens=prompt.max_tokens)
    background.add_task(log_usage, log, reply)  # a plain def, so FastAPI runs it in a thread
    return reply
# <<< 03.7

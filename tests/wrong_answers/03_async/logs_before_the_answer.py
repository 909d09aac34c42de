# fails: 03.7
# says: every caller waits for the log
"""The log is written before the answer is sent."""

# >>> 03.7
def log_usage(log: Callable[[Reply], None], reply: Reply) -> None:
    """Log what a call cost; if that fails, say so and nothing more."""
    try:
        log(reply)
    except Exception:
        logger.exception("usage of %s was not logged: %s", reply.model, reply.usage)


@api.post("/generate")
async def create_reply(prompt: Prompt, service: Service, log: UsageLog, background: BackgroundTasks) -> Reply:
    """Answer a conversation."""
    reply = await service.generate(prompt.messages, max_tokens=prompt.max_tokens)
    await to_thread.run_sync(log_usage, log, reply)
    return reply
# <<< 03.7

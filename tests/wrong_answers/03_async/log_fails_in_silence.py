# fails: 03.7
# says: nobody hears of it
"""`except Exception: pass`."""

# >>> 03.7
def log_usage(log: Callable[[Reply], None], reply: Reply) -> None:
    """Log what a call cost; if that fails, say so and nothing more."""
    try:
        log(reply)
    except Exception:
        pass


@api.post("/generate")
async def create_reply(prompt: Prompt, service: Service, log: UsageLog, background: BackgroundTasks) -> Reply:
    """Answer a conversation."""
    reply = await service.generate(prompt.messages, max_tokens=prompt.max_tokens)
    background.add_task(log_usage, log, reply)  # a plain def, so FastAPI runs it in a thread
    return reply
# <<< 03.7

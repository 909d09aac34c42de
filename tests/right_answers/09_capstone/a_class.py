"""A class for the end, a generator for what is said, and one nested function that is the whole stack."""

# >>> 09.4
inner = [
    (production.RateLimit, {"limiter": service.limiter, "caller_of": caller_of}),
    (Authenticate, {}),
    (LocalOnly, {}),
    (RequestBodyLimitMiddleware, {"max_body_size": settings.max_body_bytes}),
    (streams.WhileConnected, {}),
    (deployment.CutAtDeadline, {"drain": service.drain}),
]
for layer, options in inner:
    if layer is not LocalOnly or settings.is_demo:
        app.add_middleware(layer, **options)
# <<< 09.4

# >>> 09.6
def lines() -> Iterator[str]:
    yield from (f"part {part.lesson}: {part.whose} ({part.reason})" for part in service.parts)
    yield f"provider: {', '.join(names)}; models: {', '.join([*service.providers.of_model][:10]) or 'not known yet'}"


for line in lines():
    log.info(line)
if "offline" in names and len(names) == 1:
    log.warning("offline: a fake answers, until you name a provider")
# <<< 09.6

# >>> 09.7
class draining(AbstractContextManager[None]):
    """Hears SIGTERM before the server does."""

    def __init__(self, drain: Any) -> None:
        self.drain, self.end, self.hears = drain, None, True
        self.loop = asyncio.get_running_loop()

    def begin(self) -> None:
        self.end = self.end or self.loop.create_task(self.drain.stop(self.leave))

    def leave(self) -> None:
        self.theirs(signal.SIGTERM, None)

    def __enter__(self) -> None:
        self.theirs: Any = signal.getsignal(signal.SIGTERM)
        try:
            self.loop.add_signal_handler(signal.SIGTERM, self.begin)
        except (RuntimeError, ValueError):
            self.hears = False

    def __exit__(self, *_: object) -> None:
        if self.end:
            self.end.cancel()
        if self.hears:
            self.loop.remove_signal_handler(signal.SIGTERM)


# <<< 09.7

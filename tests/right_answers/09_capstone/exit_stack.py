"""By hand: contextlib.AsyncExitStack for the lifespan, signal.signal for the end, one rule after the other."""

# >>> 09.1
def refuse(words: str) -> None:
    raise UnsafeSettings(f"{words} {MAKE_ONE}")


if not settings.on_loopback:
    if settings.is_demo:
        refuse(f"CAPSTONE_DEMO is on, and CAPSTONE_HOST is {settings.host}.")
    if not settings.secret:
        refuse("CAPSTONE_SECRET is missing.")
if settings.secret and (why := weakness(settings.secret.get_secret_value(), 32)):
    refuse(f"CAPSTONE_SECRET {why}.")
if settings.admin_password and (why := weakness(settings.admin_password.get_secret_value(), 12)):
    refuse(f"CAPSTONE_ADMIN_PASSWORD {why}.")
# <<< 09.1

# >>> imports
from contextlib import AsyncExitStack
import threading
# <<< imports

# >>> 09.2
@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        state: dict[str, Any] = {"service": await enter(service.open_logs())}
        state["providers"] = await enter(service.open_providers())
        state["store"] = await enter(service.open_store())
        state["access"] = await enter(service.open_access())
        state["usage"] = await enter(service.open_usage())
        state["chat"] = await enter(service.open_chat())
        state["work"] = await enter(service.open_work())
        await enter(ending())
        yield state


return lifespan
# <<< 09.2

# >>> 09.7
@contextmanager
def draining(drain: Any) -> Iterator[None]:
    """Take the signal with `signal.signal`; the loop is woken by hand."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, ends = asyncio.get_running_loop(), set()

    def begin() -> None:
        if not ends:
            ends.add(loop.create_task(drain.stop(lambda: signal.raise_signal(signal.SIGINT))))

    before = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(begin))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for one in ends:
            one.cancel()


# <<< 09.7

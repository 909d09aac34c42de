# fails: 09.7
# says: the server was not ended
"""Looks right because the drain begins; the server's handler was replaced, and nobody tells the server."""

# >>> 09.7
@contextmanager
def draining(drain: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    ends: list[Any] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop.add_signal_handler(signal.SIGTERM, lambda: ends.append(loop.create_task(drain.stop(lambda: None))))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


# <<< 09.7

# >>> imports
import threading
# <<< imports

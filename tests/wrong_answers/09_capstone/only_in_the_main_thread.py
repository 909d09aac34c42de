# fails: 09.3, 09.4, 09.5, 09.6, 09.7
# says: outside of the main thread the service does not start
"""Looks right with uvicorn in front; a test client and a notebook live in another thread."""

# >>> 09.7
@contextmanager
def draining(drain: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before: Any = signal.getsignal(signal.SIGTERM)
    ends: list[Any] = []

    def begin() -> None:
        if not ends:
            ends.append(loop.create_task(drain.stop(lambda: before(signal.SIGTERM, None))))

    loop.add_signal_handler(signal.SIGTERM, begin)
    try:
        yield
    finally:
        for end in ends:
            end.cancel()
        loop.remove_signal_handler(signal.SIGTERM)


# <<< 09.7

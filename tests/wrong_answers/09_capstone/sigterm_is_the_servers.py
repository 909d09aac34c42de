# fails: 09.7
# says: the server began to leave at once
"""Looks right because the server ends politely; the drain only hears of it when the door is closed."""

# >>> 09.7
@contextmanager
def draining(drain: Any) -> Iterator[None]:
    try:
        yield
    finally:
        drain.draining = True


# <<< 09.7

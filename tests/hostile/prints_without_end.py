# says: printed more than 10 MB
import os

for _ in range(50):
    os.write(1, b"x" * 1_000_000)


def double(n):
    return 2 * n


def half(n):
    if n < 0:
        raise ValueError("negative")
    return n / 2


def quadruple(n):
    return 4 * n

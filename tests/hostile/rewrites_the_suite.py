# says: double(0) is None
from pathlib import Path

for suite in Path(__file__).parent.glob("test_tiny.py"):
    suite.write_text(
        """
import pytest

@pytest.mark.task(1)
@pytest.mark.parametrize("n", [0, 3])
def test_double_is_twice(n): pass

@pytest.mark.task(1)
def test_double_keeps_the_sign(): pass

@pytest.mark.task(2)
def test_half_is_half(): pass

@pytest.mark.task(2)
def test_half_refuses_negative(): pass

@pytest.mark.task(3)
def test_quadruple(): pass
"""
    )


def double(n):
    return None


def half(n):
    return None


def quadruple(n):
    return None

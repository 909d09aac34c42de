"""The pytest fixture `llm`. This module is loaded at every start of pytest, so it imports nothing that costs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .mock import MockLLM


@pytest.fixture
def llm() -> Iterator["MockLLM"]:
    """A fake provider that answers every HTTP call of the test, whichever client sends it."""
    from .mock import MockLLM  # here, so that only a test that asks for it pays
    from .router import routed

    with MockLLM() as fake, routed(fake):
        yield fake

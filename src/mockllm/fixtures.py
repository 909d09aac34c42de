"""The pytest fixture `llm`. This module is loaded at every start of pytest, so it imports nothing that costs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .mock import MockLLM


@pytest.fixture(scope="module")
def _way_in() -> Iterator[None]:
    """The way into the HTTP client, for all tests of a module that ask for `llm`: to open it costs a millisecond."""
    from .router import way_in

    with way_in():
        yield


@pytest.fixture
def llm(_way_in: None) -> Iterator["MockLLM"]:
    """A fake provider that answers every HTTP call of the test, whichever client sends it."""
    from .mock import MockLLM  # here, so that only a test that asks for it pays
    from .router import routed

    with MockLLM() as fake, routed(fake):
        yield fake

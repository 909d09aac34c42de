"""The reference serves here too, and keys of the environment are not asked: as in the tests of the capstone."""

import tests.capstone.conftest  # noqa: F401 - sets the environment

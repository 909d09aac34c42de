"""Names that a project may have."""

import re
from collections.abc import Collection

from coach.lesson import CourseError

LEGAL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


def checked(name: str, taken: Collection[str]) -> str:
    """Return a project's name if it is one. `taken` are the packages that the project needs, as `normal` writes them.

    Raises:
        CourseError: it is no legal name, or a package's; the text names it.
    """
    if not LEGAL.fullmatch(name):
        raise CourseError(
            f"{name!r} is no name for a project: up to 64 letters, digits, `-`, `_` and `.`, with a letter or digit at "
            "both ends. Choose one: --name my-service"
        )
    if normal(name) in taken:
        raise CourseError(f"{name!r} is the name of a package that the project needs. Choose another with --name.")
    return name


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()

"""Which files of a lesson changed. The command line decides what to do about it."""

from collections.abc import Iterator
from pathlib import Path

from watchfiles import Change, PythonFilter, watch

from coach.lesson import shown


class _Answers(PythonFilter):
    """Python files and the other files that lessons ask for; never caches or backups."""

    def __call__(self, change: Change, path: str) -> bool:
        """Tell whether a change counts."""
        name = Path(path).name
        return super().__call__(change, path) or name in ("Dockerfile", "compose.yaml") or name.endswith(".js")


def changes(folder: Path) -> Iterator[list[str]]:
    """Yield the files that changed, sorted, at every save below `folder`; ends at Ctrl-C."""
    for batch in watch(folder, watch_filter=_Answers(), raise_interrupt=False):
        yield sorted({shown(Path(path)) for _, path in batch})

"""Where interviews are kept: the open one in `.coach/interview/open.json`, written whole at every step.

One that is over lies beside it under the time when it began, and says what was asked already.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from coach.interview.state import Interview, as_interview, as_text
from coach.lesson import CourseError
from coach.progress import write_whole


class Store:
    """The files of interviews below `.coach/interview`."""

    def __init__(self, root: Path) -> None:
        self.folder = root / ".coach" / "interview"
        self.file = self.folder / "open.json"

    def read(self) -> Interview | None:
        """Return the interview that is open, None if none is.

        Raises:
            CourseError: the file is there and is none of ours; it is left as it is.
        """
        if not self.file.exists():
            return None
        try:
            return as_interview(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CourseError(
                f".coach/interview/{self.file.name} cannot be read as an interview ({_short(error)}) and is left as it "
                "is. `coach interview drop` puts it aside under another name; then a new one can begin."
            ) from None

    def write(self, interview: Interview) -> None:
        """Keep an interview as it stands, whole or not at all.

        Raises:
            CourseError: the file cannot be written.
        """
        try:
            write_whole(self.file, as_text(interview))
        except OSError as error:
            raise CourseError(f".coach/interview/{self.file.name} cannot be written: {error}.") from None

    def close(self, interview: Interview) -> Path:
        """Put an interview that is over beside the open one, and return where it lies."""
        self.write(interview)
        kept = _free(self.folder / f"{interview.stamp}.json")
        self.file.replace(kept)
        return kept

    def put_aside(self) -> Path:
        """Put the open file away, whatever is in it, and return where it lies.

        Raises:
            CourseError: there is none.
        """
        if not self.file.exists():
            raise CourseError("No interview is open. Begin one: coach interview")
        try:
            interview = self.read()
        except CourseError:
            kept = _free(self.folder / f"put-aside-{datetime.now(UTC).astimezone():%Y-%m-%d_%H%M%S}.txt")
            self.file.replace(kept)
            return kept
        assert interview is not None  # noqa: S101 - for the type checker: the file exists
        interview.dropped, interview.running_since = True, None
        return self.close(interview)

    def earlier(self) -> list[Interview]:
        """Return the interviews that are over, oldest first; a file that cannot be read is none."""
        found = []
        for file in self.folder.glob("2*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                found.append(as_interview(file.read_text(encoding="utf-8")))
        return sorted(found, key=lambda one: one.started)

    def seen(self) -> dict[str, str]:
        """Return what was asked before: id of a question or variant -> when."""
        asked: dict[str, str] = {}
        for one in self.earlier():
            asked |= {question.id: one.started for question in one.questions if question.said is not None}
            if one.coding.folder:
                asked[one.coding.variant] = one.started
        return asked

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from going on with the same interview. A process that is killed keeps nobody.

        Raises:
            CourseError: another process is at it.
        """
        try:
            import fcntl
        except ImportError:  # Windows, where nothing is graded either
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise CourseError(f".coach/interview cannot be written: {error}.") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CourseError(
                    "An interview goes on in another terminal. Go on there, or end it there with q."
                ) from None
            yield


def _free(file: Path) -> Path:
    """A name that is not taken."""
    kept, n = file, 1
    while kept.exists():
        n += 1
        kept = file.with_name(f"{file.stem}-{n}{file.suffix}")
    return kept


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{text[:80]}…" if len(text) > 80 else text

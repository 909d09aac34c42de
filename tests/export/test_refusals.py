"""What `coach export` refuses, in words, and what it leaves behind then: nothing. And parts that cannot be taken."""

import re
from pathlib import Path

import pytest

from coach.export import export
from coach.export.chosen import why_not
from coach.export.names import checked
from coach.export.project import put_in_place, staged
from coach.lesson import CourseError, find_lesson
from tests.conftest import ROOT
from tests.export.conftest import LESSONS, answer


def full(folder: Path) -> Path:
    (folder / "mine").mkdir()
    (folder / "mine" / "work").write_text("precious")
    return folder / "mine"


def a_file(folder: Path) -> Path:
    (folder / "mine").write_text("precious")
    return folder / "mine"


def a_link(folder: Path) -> Path:
    (folder / "mine").symlink_to(folder / "gone")
    return folder / "mine"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (full, "is not empty, and nothing in it is overwritten"),
        (a_file, "is no folder"),
        (a_link, "is no folder"),
        (lambda folder: folder / "no" / "mine", "mkdir -p"),
        (lambda _: ROOT / "mine", "coach export ../mine"),
        (lambda _: ROOT / "lessons" / ".." / "mine", "coach export ../mine"),
    ],
)
def test_a_folder_that_will_not_do_is_refused_with_the_way_out(tmp_path: Path, target: object, words: str) -> None:
    chosen: Path = target(tmp_path)  # type: ignore[operator]
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(CourseError, match=words):
        export(ROOT, chosen)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert not (ROOT / "mine").exists()


@pytest.mark.parametrize("name", ["", "my service", "-x", "x-", "x/y", "ünder", "a" * 65, "x\n", ".x"])
def test_a_name_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CourseError) as refused:
        export(ROOT, tmp_path / "mine", name)
    assert repr(name) in str(refused.value)
    assert "--name" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_a_package_would_hide_it() -> None:
    with pytest.raises(CourseError, match="'FastAPI' is the name of a package"):
        checked("FastAPI", {"fastapi"})
    assert checked("my-service", {"fastapi"}) == "my-service"


def test_nothing_is_left_when_something_goes_wrong(tmp_path: Path) -> None:
    """The course is broken: a file that is needed is not there."""
    with pytest.raises((CourseError, OSError)):
        export(tmp_path_with_lessons_only(tmp_path / "course"), tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["course"]


def tmp_path_with_lessons_only(folder: Path) -> Path:
    """A course without a capstone."""
    folder.mkdir()
    (folder / "lessons").symlink_to(ROOT / "lessons")
    (folder / "solutions").symlink_to(ROOT / "solutions")
    return folder


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("def broken(:", "does not parse"),
        ("raise RuntimeError('no way')", "does not import: RuntimeError: no way"),
        ("import no_such_package", "no_such_package"),
        ("import sys; sys.exit(0)", "ends Python"),
        ("import os; os._exit(0)", "ends Python"),
        ("import time; time.sleep(600)", "still being imported after"),
        ("raise NotImplementedError('TODO 01.4')", "to do: 01.4"),
        ("raise NotImplementedError('TODO 01.4')  # \ufeff", "to do: 01.4"),
        ("del create_app; print('loud' * 9)", "has no create_app"),
    ],
)
def test_a_part_that_cannot_be_taken_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, words: str
) -> None:
    if "sleep" in more:
        monkeypatch.setattr("coach.export.chosen.PATIENCE_S", 1.0)
    basics = LESSONS[0]
    home = tmp_path / "lessons" / basics.folder
    home.mkdir(parents=True)
    (home / "lesson.toml").write_text((basics.path / "lesson.toml").read_text())
    for name, content in answer(basics, 0).items():
        mark = "\ufeff" if "\ufeff" in more else ""  # as some editors begin a file
        (home / name).write_bytes(mark.encode() + content + f"\n{more}\n".encode() if name == "app.py" else content)
    (tmp_path / "solutions").symlink_to(ROOT / "solutions")
    said = why_not(tmp_path, find_lesson(tmp_path, "01"))
    assert re.search(words, said), said
    assert "\n" not in said


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path: Path) -> None:
    """Somebody stands in it: `mkdir mine; cd mine; coach export .`"""
    target = tmp_path / "mine"
    target.mkdir()
    before = target.stat().st_ino
    with staged(target) as stage:
        (stage / "app").mkdir()
        (stage / "README.md").write_text("x")
        put_in_place(stage, target)
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "app"]
    assert target.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_somebody_else_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    with staged(target) as stage:
        (stage / "README.md").write_text("ours")
        full(tmp_path)
        with pytest.raises(CourseError, match="is not empty"):
            put_in_place(stage, target)
    assert [path.name for path in target.iterdir()] == ["work"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_others_can_read_a_new_folder(tmp_path: Path) -> None:
    with staged(tmp_path / "mine") as stage:
        put_in_place(stage, tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o755

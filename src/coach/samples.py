"""Wrong and right answers that are kept to test the tests: whole files, or patches over the reference.

A patch holds blocks. Each stands in for a region of the reference, written from the first column on:

    # fails: 05.2
    # says: not normalized
    \"\"\"Why it looks right.\"\"\"

    # >>> 05.2
    return faiss.IndexFlatL2(dimensions)
    # <<< 05.2

`# >>> 05.2 (2)` is the second region of that task; `# >>> imports` goes before the first import of `app.py`.
"""

import ast
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coach import stubs
from coach.lesson import CourseError, Lesson

IMPORTS = "imports"
BLOCK = re.compile(
    r"^(?://|\#)[ ]>>>[ ](?P<name>imports|\d\d\.\d+)(?:[ ]\((?P<nth>\d+)\))?[ ]*\n"
    r"(?P<text>.*?)"
    r"^(?://|\#)[ ]<<<[ ](?P=name)(?:[ ]\(\d+\))?[ ]*$",
    flags=re.M | re.S | re.X,
)
MARK = re.compile(r"^(?://|#) (?:>>>|<<<) (?:imports|\d\d\.\d+).*$", flags=re.M)


@dataclass(frozen=True)
class Sample:
    """An answer kept in `tests/wrong_answers/` or `tests/right_answers/`: a file, or a folder for several."""

    path: Path
    fails: tuple[str, ...]  # tasks that must not be done: ("03.4",); none for a right answer
    says: tuple[str, ...]  # words that the learner must see


def samples(root: Path, kind: str, lesson: Lesson) -> list[Sample]:
    """Return the samples of a lesson, sorted by name. `kind` is "wrong_answers" or "right_answers".

    The head of a wrong answer names its tasks and the words that the learner must see:

        # fails: 03.4
        # says: ran at the same moment

    Raises:
        CourseError: a wrong answer has no such head.
    """
    found = []
    for path in sorted((root / "tests" / kind / lesson.folder).glob("*")):
        files = _files(path)
        if path.name.startswith(("_", ".")) or not files:
            continue
        texts = "\n".join(file.read_text(encoding="utf-8") for file in files.values())
        head = re.findall(r"^(?:#|//) (fails|says): (.+)$", texts, flags=re.M)
        fails = tuple(number.strip() for key, value in head if key == "fails" for number in value.split(","))
        says = tuple(value.strip() for key, value in head if key == "says")
        if kind == "wrong_answers" and not (fails and says):
            raise CourseError(
                f"tests/{kind}/{lesson.folder}/{path.name} needs `# fails: NN.T` and `# says: words` on top."
            )
        found.append(Sample(path, fails, says))
    return found


def sample_files(lesson: Lesson, sample: Sample) -> dict[str, bytes]:
    """Return the files of the answer that a sample stands for; what it does not bring is the reference's.

    Raises:
        CourseError: a block names a region that the reference does not have, or has no end.
    """
    answer = {name: (lesson.solution / name).read_bytes() for name in lesson.answer_files()}
    blocks: dict[tuple[str, int], str] = {}
    for name, file in _files(sample.path).items():
        text = file.read_text(encoding="utf-8")
        if mark := MARK.search(BLOCK.sub("", text)):
            raise CourseError(f"{sample.path.name}: `{mark[0]}` is one end of a block, and has no other.")
        if found := {(block["name"], int(block["nth"] or 1)): block["text"] for block in BLOCK.finditer(text)}:
            blocks |= found
        elif not _is_head_only(name, text):
            answer[name] = file.read_bytes()
    return _patched(answer, blocks, sample.path.name) if blocks else answer


def _files(path: Path) -> dict[str, Path]:
    """The files of a sample, under the names that they have in a lesson."""
    if path.is_dir():
        found = (file for file in sorted(path.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)
        return {file.relative_to(path).as_posix(): file for file in found}
    return {"app.py": path} if path.suffix == ".py" else {}


def _is_head_only(name: str, text: str) -> bool:
    """Whether a file only says what the sample must fail: comments and a docstring."""
    if not name.endswith(".py"):
        return False
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return False
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def _patched(answer: Mapping[str, bytes], blocks: Mapping[tuple[str, int], str], sample: str) -> dict[str, bytes]:
    left = dict(blocks)
    seen: dict[str, int] = {}
    patched = dict(answer)
    for name, content in answer.items():
        try:
            text = content.decode()
            found = stubs.regions(text, name)
        except UnicodeDecodeError:
            continue  # no text, no regions
        lines = text.splitlines(keepends=True)
        new: list[tuple[int, int, str]] = []
        for region in found:
            nth = seen[region.number] = seen.get(region.number, 0) + 1
            if (block := left.pop((region.number, nth), None)) is not None:
                mark = lines[region.start]
                new.append((region.start, region.end, textwrap.indent(block, mark[: len(mark) - len(mark.lstrip())])))
        if name == "app.py" and (block := left.pop((IMPORTS, 1), None)) is not None:
            first = next(at for at, line in enumerate(lines) if line.startswith(("import ", "from ")))
            new.insert(0, (first, first, block))
        for start, end, block in reversed(new):
            lines[start:end] = [block]
        patched[name] = "".join(lines).encode()
    if left:
        names = ", ".join(name if nth == 1 else f"{name} ({nth})" for name, nth in sorted(left))
        raise CourseError(f"{sample}: the reference has no region {names}; its files are {', '.join(answer)}.")
    return patched

"""The course's conscience: everything that an author can forget. Each problem says what mends it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from coach import stubs, workspace
from coach.lesson import CourseError, Lesson, lesson_folders, marked_tests, read_lesson, shown
from coach.samples import sample_files, samples

LONGEST_SOLUTION = 200  # lines without comments and markers: one sitting
LEAST_WRONG = 3
TITLE_ROOM = 39  # columns of a task's title on the scorecard


def course_problems(root: Path) -> Iterator[str]:
    """Yield every problem of the course, lesson by lesson."""
    for folder in lesson_folders(root):
        try:
            lesson = read_lesson(folder)
        except CourseError as error:
            yield str(error)
            continue
        yield from lesson_problems(lesson)


def lesson_problems(lesson: Lesson) -> Iterator[str]:
    """Yield every problem of one lesson. Runs the suite twice: on the reference and on the stub."""
    try:
        yield from _texts(lesson)
        yield from _suite(lesson)
        yield from _solution(lesson)
        yield from _samples(lesson)
        yield from _runs(lesson)
    except CourseError as error:
        yield str(error)


def _texts(lesson: Lesson) -> Iterator[str]:
    root = lesson.path.parent.parent
    brief = lesson.path / "README.md"
    if not brief.is_file():
        yield f"{shown(brief)} is missing: write the brief."
    else:
        text = brief.read_text(encoding="utf-8")
        for task in lesson.tasks:
            heading = re.search(rf"^## {re.escape(task.number)} .*?\((\d+) points?\)$", text, flags=re.M)
            if not heading:
                yield f"{shown(brief)}: no heading `## {task.number} … ({task.points} points)`."
            elif int(heading[1]) != task.points:
                yield f"{shown(brief)}: {task.number} promises {heading[1]} points, lesson.toml says {task.points}."
        if "## Asked in interviews" not in text:
            yield f"{shown(brief)}: no heading `## Asked in interviews`."
    for task in lesson.tasks:
        if len(task.title) > TITLE_ROOM:
            yield f"lessons/{lesson.folder}/lesson.toml: {task.number} has a title over {TITLE_ROOM} characters."
    if [task.id for task in lesson.tasks] != list(range(1, len(lesson.tasks) + 1)):
        yield f"lessons/{lesson.folder}/lesson.toml: task ids are not 1, 2, 3 … in order."
    page = root / "docs" / "lessons" / f"{lesson.folder}.md"
    if (root / "docs").is_dir() and not page.is_file():
        yield f"docs/lessons/{page.name} is missing: write the lesson's page and add it to mkdocs.yml."


def _suite(lesson: Lesson) -> Iterator[str]:
    name = shown(lesson.suite)
    ids = [task.id for task in lesson.tasks]
    tests = marked_tests(lesson.suite)
    for test, id in tests.items():
        if id not in ids:
            yield f"{name}: {test} needs `@pytest.mark.task(n)` with a task of this lesson."
    for id in ids:
        if list(tests.values()).count(id) < 2:
            yield f"{name}: task {lesson.number}.{id} has fewer than two tests."
    tree = ast.parse(lesson.suite.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg is None:
            yield f"{name}:{node.lineno}: this assert has no message; say what was seen and what it usually means."
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if function and node.name.startswith("test_") and not ast.get_docstring(node):
            yield f"{name}:{node.lineno}: {node.name} has no docstring; its first line says why anyone cares."
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node).replace("mockllm", ""):
            yield f"{name}:{node.lineno}: a lesson's suite does not patch; observe from outside."


def _solution(lesson: Lesson) -> Iterator[str]:
    main = lesson.solution / "app.py"
    if not main.is_file():
        yield f"{shown(main)} is missing: write the reference."
        return
    found = {
        region.number
        for name in lesson.answer_files()
        for region in stubs.regions(
            (lesson.solution / name).read_text(encoding="utf-8"), f"solutions/{lesson.folder}/{name}"
        )
    }
    numbers = {task.number for task in lesson.tasks}
    for number in sorted(numbers - found):
        yield f"solutions/{lesson.folder}: no region for {number}; mark it with `# >>> solution` below a TODO."
    for number in sorted(found - numbers):
        yield f"solutions/{lesson.folder}: a region says {number}, which lesson.toml does not have."
    text = main.read_text(encoding="utf-8")
    lines = code_lines(text)
    if lines > LONGEST_SOLUTION:
        yield f"{shown(main)} has {lines} lines of code; {LONGEST_SOLUTION} are one sitting."
    names = {name for node in ast.parse(text).body for name in _targets(node)}
    for export in lesson.exports:
        if export not in names:
            yield f"{shown(main)} has no `{export}`, which lesson.toml exports."
    for name in stubs.stale(lesson):
        yield f"lessons/{lesson.folder}/{name} is stale: coach stubs {lesson.number}"


def code_lines(text: str) -> int:
    """Return the lines of a Python file that hold code: no blank lines, comments or docstrings."""
    lines = {number for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def _targets(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.Import() | ast.ImportFrom():  # from another file of the answer
            return [alias.asname or alias.name for alias in node.names]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _samples(lesson: Lesson) -> Iterator[str]:
    root = lesson.path.parent.parent
    wrong = samples(root, "wrong_answers", lesson)
    if len(wrong) < LEAST_WRONG:
        yield f"tests/wrong_answers/{lesson.folder} has {len(wrong)} answers; write at least {LEAST_WRONG}."
    for sample in wrong:
        for number in sample.fails:
            if number not in {task.number for task in lesson.tasks}:
                yield f"tests/wrong_answers/{lesson.folder}/{sample.path.name} fails {number}, which is no task."
    for sample in [*wrong, *samples(root, "right_answers", lesson)]:
        try:
            sample_files(lesson, sample)
        except CourseError as error:
            yield str(error)


def _runs(lesson: Lesson) -> Iterator[str]:
    reference = workspace.grade(lesson, lesson.solution)
    for card in reference.card.tasks:
        if card.state != "done":
            why = reference.card.broken or card.message
            yield f"solutions/{lesson.folder}: {card.task.number} is {card.state}. {why}"
    texts = stubs.stub_files(lesson)
    stub = workspace.grade_files(lesson, {name: text.encode() for name, text in texts.items()})
    for card in stub.card.tasks:
        if card.state != "to do":
            yield (
                f"lessons/{lesson.folder}: on the untouched stub {card.task.number} is {card.state}, not to do. "
                f"{stub.card.broken or card.message}"
            )

"""Solutions become stubs, and one task of an edited answer goes back to its stub."""

import ast
from types import ModuleType

import pytest

from coach.explain import explain
from coach.lesson import CourseError, read_lesson
from coach.reset import put_task_back
from coach.stubs import make_stub, open_todos, owner, put_back, regions
from tests.tiny_course import SOLUTION, TinyCourse


def test_outside_the_regions_a_stub_is_the_solution_byte_for_byte() -> None:
    stub = make_stub(SOLUTION, "app.py").splitlines()
    assert [line for line in stub if "raise NotImplementedError" not in line] == [
        line
        for at, line in enumerate(SOLUTION.splitlines())
        if not any(region.start <= at < region.end for region in regions(SOLUTION, "app.py"))
    ]
    assert 'raise NotImplementedError("TODO 03.2")' in "\n".join(stub)
    ast.parse("\n".join(stub))


def test_a_region_may_bring_its_own_stub() -> None:
    text = (
        "class Message:\n"
        "    # TODO 02.1: role and content.\n"
        "    # >>> solution\n"
        "    role: str\n"
        "    # --- stub\n"
        "    # def __init__(self) -> None:\n"
        '    #     raise NotImplementedError("TODO 02.1")\n'
        "    #\n"
        "    # <<< solution\n"
    )
    assert make_stub(text, "app.py") == (
        "class Message:\n"
        "    # TODO 02.1: role and content.\n"
        "    def __init__(self) -> None:\n"
        '        raise NotImplementedError("TODO 02.1")\n'
        "\n"
    )


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_where_nothing_can_be_raised_a_line_says_that_the_task_is_open(tiny: TinyCourse, name: str) -> None:
    """The TODO above stays when the work is done; this line is what the learner deletes."""
    todo = "# TODO 07.4: pin the base.\n"
    stub = make_stub(f"{todo}# >>> solution\nFROM x\n# <<< solution\nEND\n", name)
    assert stub == f"{todo}# TODO 07.4 is open: delete this line when it is done.\nEND\n"

    tiny.solve(1, 2, 3)
    (tiny.lesson / name).write_text(stub)
    assert open_todos(tiny.lesson) == {"07.4": f"{name}:2"}
    (tiny.lesson / name).write_text(f"{todo}FROM x\nEND\n")
    assert open_todos(tiny.lesson) == {}


def test_a_dockerfile_may_bring_what_is_to_be_repaired() -> None:
    text = (
        "# TODO 07.4: pin the base.\n# >>> solution\nFROM x:1.2.3\n# --- stub\n# # TODO 07.4 is open: delete this.\n"
        "# FROM x\n# <<< solution\n"
    )
    assert make_stub(text, "Dockerfile") == "# TODO 07.4: pin the base.\n# TODO 07.4 is open: delete this.\nFROM x\n"


def test_a_script_of_the_browser_loses_the_region() -> None:
    assert make_stub("// TODO 04.8: decode.\n// >>> solution\nx()\n// --- stub\n// y()\n// <<< solution\n", "r.js") == (
        "// TODO 04.8: decode.\ny()\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# >>> solution\n# <<< solution\n", "line 1: a region needs a `# TODO NN.T:` above it"),
        ("# TODO 01.1: x\n# >>> solution\n", "line 2: this region is never closed"),
        ("# TODO 01.1: x\n# <<< solution\n", "line 2: `# <<< solution` does not belong here"),
        ("# TODO 01.1: x\n# >>> solution\n# >>> solution\n", "line 3: `# >>> solution` does not belong here"),
        ("# TODO 01.1: x\n# >>> solution\n# --- stub\nx\n# <<< solution\n", "line 4: below `# --- stub` every line"),
    ],
)
def test_a_wrong_marker_is_named_with_its_line(text: str, says: str) -> None:
    with pytest.raises(CourseError, match=r".*") as caught:
        make_stub(text, "app.py")
    assert says in str(caught.value)


def test_open_todos_are_those_that_still_raise(tiny: TinyCourse) -> None:
    tiny.solve(2)
    assert open_todos(tiny.lesson) == {"03.1": "app.py:8", "03.3": "app.py:22"}
    assert open_todos(tiny.root / "nowhere") == {}


def test_open_todos_are_found_in_every_file_of_an_answer(tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    (tiny.lesson / "client.py").write_text('def f():\n    raise NotImplementedError("TODO 03.2")\n')
    (tiny.lesson / "static").mkdir()
    (tiny.lesson / "static" / "reader.js").write_text('// TODO 03.3: x\nthrow new Error("TODO 03.3");\n')
    assert open_todos(tiny.lesson) == {"03.2": "client.py:2", "03.3": "static/reader.js:2"}


def test_one_task_goes_back_in_every_file_that_it_is_in(tiny: TinyCourse) -> None:
    answer = '// >>> solution\nreturn n / 2;\n// --- stub\n// throw new Error("TODO 03.2");\n// <<< solution\n'
    script = "// TODO 03.2: halve.\n" + answer
    (tiny.solution.parent / "half.js").write_text(script)
    (tiny.lesson / "half.js").write_text("return n / 2;\n")
    tiny.solve(1, 2)
    plan = put_task_back(read_lesson(tiny.lesson), read_lesson(tiny.lesson).task(2))
    assert plan.changed == ["app.py", "half.js"]
    assert "return 2 * n" in plan.texts["app.py"]
    assert plan.texts["half.js"].endswith('throw new Error("TODO 03.2");\n')


def test_a_todo_in_a_comment_or_a_text_is_not_open(tiny: TinyCourse) -> None:
    tiny.write('# raise NotImplementedError("TODO 03.1")\nx = "TODO 03.2"\n')
    assert open_todos(tiny.lesson) == {}


def test_one_task_goes_back_and_the_rest_stays_as_written(tiny: TinyCourse) -> None:
    lesson = read_lesson(tiny.lesson)
    tiny.solve(1, 2, 3)
    mine = "import math  # mine\n" + tiny.app.read_text() + "\n\ndef helper():\n    return math.pi\n"
    back = put_back(lesson, lesson.task(2), "app.py", mine)
    assert 'raise NotImplementedError("TODO 03.2")' in back
    assert "return 2 * n" in back
    assert back.startswith("import math  # mine")
    assert "def helper()" in back
    assert back.count("def half") == 1


def test_a_task_whose_function_is_gone_comes_back_at_the_end(tiny: TinyCourse) -> None:
    lesson = read_lesson(tiny.lesson)
    back = put_back(lesson, lesson.task(2), "app.py", "def double(n):\n    return 2 * n\n")
    assert ast.parse(back)
    assert back.startswith("def double(n):\n    return 2 * n\n")
    assert 'raise NotImplementedError("TODO 03.2")' in back


def test_a_file_that_does_not_parse_cannot_give_one_task_back(tiny: TinyCourse) -> None:
    lesson = read_lesson(tiny.lesson)
    with pytest.raises(CourseError, match=r"line 1 does not parse.*`coach reset 03`"):
        put_back(lesson, lesson.task(2), "app.py", "def (")


SHARED = '''
class Request:
    """Two tasks in one class."""

    # TODO 03.1: one.
    # >>> solution
    model: str
    # --- stub
    # def __init__(self) -> None:
    #     raise NotImplementedError("TODO 03.1")
    # <<< solution

    def check(self) -> None:
        """Check."""
        # TODO 03.2: two.
        # >>> solution
        return
        # <<< solution
'''


def test_a_method_that_is_gone_is_named_and_nothing_is_written(tiny: TinyCourse) -> None:
    tiny.solution.write_text(SHARED)
    lesson = read_lesson(tiny.lesson)
    with pytest.raises(CourseError, match=r"`Request.__init__` of 03\.1 is not in your file\. `coach reset 03`"):
        put_back(lesson, lesson.task(1), "app.py", "class Request:\n    model: str\n")
    answer = make_stub(SHARED, "app.py").replace('raise NotImplementedError("TODO 03.2")', "return")
    back = put_back(lesson, lesson.task(2), "app.py", answer)
    assert 'raise NotImplementedError("TODO 03.2")' in back


def test_a_missing_name_is_found_in_whichever_file_of_the_answer_has_it(tiny: TinyCourse) -> None:
    region = "    # TODO 03.3: a third.\n    # >>> solution\n    return n / 3\n    # <<< solution\n"
    (tiny.solution.parent / "more.py").write_text(f"def third(n: int) -> float:\n{region}")
    lesson = read_lesson(tiny.lesson)
    assert owner(lesson, "half") == "03.2"
    assert owner(lesson, "third") == "03.3"
    assert owner(lesson, "nobody") == "03"
    module = ModuleType("lessons.03_tiny.more")
    with pytest.raises(AttributeError) as missing:
        _ = module.third
    assert explain(missing.value, tiny.lesson).seen.startswith("more.py has no `third`.")

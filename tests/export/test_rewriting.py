"""How a file changes on its way home: what it does stays, what it says of the course goes."""

import ast
import textwrap

import pytest

from coach.export.alive import Part
from coach.export.given import composition, only_given_routers
from coach.export.marks import todo_lines, unmarked
from coach.export.prose import Words
from coach.export.rewrite import Moves, rewritten
from coach.lesson import CourseError

MODULES = {
    "capstone": "app",
    "capstone.here": "app.here",
    "capstone.settings": "app.config",
    "capstone.schemas": "app.models",
    "capstone.schemas.chat": "app.models.chat",
    "solutions.02_models.app": "app.models.payloads",
}
MOVES = Moves(MODULES, {("capstone.parts", "models"): ("app.models", "payloads")})
WORDS = Words("harbor", {"02": "payloads", "08": "auth"}, {"capstone.settings": "app.config"}, {})


def at_home(text: str) -> str:
    said = textwrap.dedent(text).lstrip()
    return rewritten(said, old="capstone.here", package=False, moves=MOVES, words=WORDS)


def kept(text: str, *names: str, whole: bool = False) -> str:
    part = Part({"app": textwrap.dedent(text).lstrip()})
    part.keep({("app", name) for name in names}, whole=whole)
    return part.text_of("app")


def test_imports_lead_to_where_things_are_now() -> None:
    text = at_home("""
        from capstone.schemas.chat import Asked
        from capstone.settings import Settings  # noqa: F401
        from fastapi import FastAPI
    """)
    assert "from app.models.chat import Asked" in text
    assert "from app.config import Settings  # noqa: F401" in text
    assert "from fastapi import FastAPI" in text


def test_a_part_is_called_by_its_name_wherever_it_is_meant_and_nowhere_else() -> None:
    text = at_home("""
        from capstone.parts import models

        def check(body, other):
            models = other  # its own
            return models.X, body.models

        async def serve(app: "models.App"):
            return models.CATALOG
    """)
    assert "from app.models import payloads" in text
    assert "return payloads.CATALOG" in text
    assert "return models.X, body.models" in text


def test_a_name_that_is_taken_keeps_the_old_one() -> None:
    text = at_home("""
        from capstone.parts import models

        def payloads():
            return models.CATALOG
    """)
    assert "from app.models import payloads as models" in text
    assert "return models.CATALOG" in text


def test_an_import_that_nobody_has_thought_of_is_named() -> None:
    with pytest.raises(CourseError, match=r"capstone\.here takes 'pickle' from capstone\.parts"):
        at_home("from capstone.parts import pickle")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("x = 1  # lesson 08's own, see lessons 02 and 08", "x = 1  # `auth`'s own, see `payloads` and `auth`"),
        ("x = 1  # Given: of the request", "x = 1  # of the request"),
        ("x = 1  # Given.", "x = 1"),
        ("x = 1  # Given n texts, n answers", "x = 1  # Given n texts, n answers"),
        ("# Given: counts requests.\nx = 1", "# Counts requests.\nx = 1"),
        ('"""Lesson 02 - what goes in. `coach run 02` serves it."""', '"""What goes in."""'),
        ('"""Given: what a\nlesson 08 knows."""', '"""What a\n`auth` knows."""'),
        ('x = "CAPSTONE_HOST", "capstone.db", "Capstone"', 'x = "APP_HOST", "app.db", "harbor"'),
        ('x = part.lesson, Part(lesson="x")', 'x = part.name, Part(name="x")'),
    ],
)
def test_nobody_speaks_of_lessons(said: str, wanted: str) -> None:
    assert at_home(said).strip() == wanted


def test_a_line_that_grows_too_long_is_broken() -> None:
    long = '"""' + "Who asks whom: " + "lesson 02 asks, " * 7 + 'and that is all."""'
    lines = at_home(long).splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[1] == "", "a summary, an empty line, the rest"


def test_a_comment_that_grows_too_long_goes_on_below() -> None:
    text = at_home("def f():\n    # " + "lesson 02 " * 11 + "and more.\n    return 1\n")
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("    # ") == 2


def test_marks_of_the_course_go_and_comments_of_yours_stay() -> None:
    solution = "# TODO 02.1: be\n# kind.\n# >>> solution\nx = 1\n# --- stub\n# x = 0\n# <<< solution\ny = 2\n"
    assert unmarked(solution, todo_lines(solution)) == "x = 1\ny = 2\n"
    yours = "# TODO 02.1: be\n# kind.\n# I am.\nx = 3\ny = 2\n"
    assert unmarked(yours, todo_lines(solution)) == "# I am.\nx = 3\ny = 2\n"


LESSON = """
    from fastapi import APIRouter, FastAPI

    api = APIRouter()
    CATALOG = {status: [] for status in (1, 2)}
    CATALOG.update({3: []})

    def status():
        return 1

    def helper(x: "Later") -> None: ...

    class Later: ...

    @api.get("/")
    def read():
        return only_read()

    def only_read():
        return helper

    def mine():
        def app():
            return CATALOG
        return app

    app = FastAPI()
    app.include_router(api)

    if __name__ == "__main__":
        print(app)
"""


def test_of_the_reference_goes_along_what_is_used() -> None:
    text = kept(LESSON, "mine")
    names = [getattr(node, "name", ast.unparse(node)) for node in ast.parse(text).body]
    assert names == ["CATALOG = {status: [] for status in (1, 2)}", "CATALOG.update({3: []})", "mine"]


def test_of_yours_goes_along_all_but_the_application_of_the_lesson() -> None:
    text = kept(LESSON, "helper", whole=True)
    names = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert names == {"status", "helper", "Later", "mine"}
    assert "FastAPI" not in text
    assert "CATALOG.update" in text


def test_what_looks_names_up_by_a_text_is_left_alone() -> None:
    text = kept(LESSON + "\n    def found(name): return globals()[name]\n", "mine")
    assert "only_read" in text
    assert "app.include_router(api)" in text


@pytest.mark.parametrize("said", ["[api] if routers is None else routers", "routers if routers is not None else [api]"])
def test_routers_of_a_lesson_are_no_default_at_home(said: str) -> None:
    text = "def create_app(routers=None):\n    for router in "
    assert only_given_routers(f"{text}{said}:\n        use(router)\n").startswith(f"{text}(routers or ()):")
    assert only_given_routers("x = 1  # comment\n") == "x = 1  # comment\n"


def test_a_composition_with_another_frame_stays_as_it_is() -> None:
    text = "def create_app(settings):\n    return check(settings, todo)\n"
    assert composition(text) == text

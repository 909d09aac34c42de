"""What `pytest lessons/03` promises, one test a promise, on a tiny course."""

import gc
import json
import re
import textwrap

import pytest

from tests.tiny_course import TinyCourse


@pytest.fixture
def tiny(pytester: pytest.Pytester) -> TinyCourse:
    return TinyCourse(pytester.path)


def run(pytester: pytest.Pytester, *args: str) -> tuple[int, str]:
    result = pytester.runpytest_inprocess(*args)
    return int(result.ret), result.stdout.str() + result.stderr.str()


def states(text: str) -> dict[str, str]:
    return dict(re.findall(r"^ (03\.\d) +(done|not yet|to do|waits|not run)\b", text, flags=re.M))


def test_the_untouched_stub_is_all_to_do_without_a_traceback(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert states(text) == {"03.1": "to do", "03.2": "to do", "03.3": "to do"}
    assert "Traceback" not in text
    assert "NotImplementedError" not in text
    assert "0/7 points" in text
    assert "Next: 03.1 twice as much, at lessons/03_tiny/app.py:8" in text


def test_one_solved_task_is_done_and_the_others_stay_to_do(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1)
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert states(text) == {"03.1": "done", "03.2": "to do", "03.3": "to do"}
    assert "2/7 points" in text


def test_everything_solved_exits_0_and_points_to_the_solution(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    code, text = run(pytester, "lessons/03")
    assert code == 0
    assert "7/7 points" in text
    assert "coach solution 03" in text


def test_a_wrong_answer_tells_what_was_seen_why_and_where(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, two="return n // 0")
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert states(text)["03.2"] == "not yet"
    assert "ZeroDivisionError" in text
    assert "Sharing is caring." in text
    assert "lessons/03_tiny/app.py:14 in half" in text
    assert "Traceback" not in text


def test_the_authors_message_is_shown_without_pytests_comparison(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(two="return n // 2")
    _, text = run(pytester, "lessons/03")
    assert "half(3) is 1. 1 means integer division." in text
    assert "assert (" not in text


def test_a_task_whose_prerequisite_is_open_waits(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(three="return double(double(n))")
    _, text = run(pytester, "lessons/03")
    assert states(text)["03.3"] == "waits"
    assert re.search(r"03\.3 +waits +needs 03\.1", text)


def test_a_missing_name_fails_its_own_tests_only(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.write("def double(n):\n    return 2 * n\n")
    _, text = run(pytester, "lessons/03")
    assert states(text) == {"03.1": "done", "03.2": "not yet", "03.3": "not yet"}
    assert "app.py has no `half`" in text
    assert "coach reset 03.2" in text
    assert "coach reset 03.3" in text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def double(n):\n    return (2\n", "app.py:2: Python cannot read it: '(' was never closed"),
        ("import sys\nsys.exit(0)\n", "app.py:2: it calls sys.exit() while it is imported"),
        ("x = 1\nx.nothing\n", "app.py:2: it cannot be imported: AttributeError"),
        ("import not_there\n", "app.py:1: it cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ('raise NotImplementedError("TODO 03.1")\n', "app.py:1: TODO 03.1 is raised while the file is imported"),
        ("import os\nos.kill(os.getpid(), 2) if 0 else 1 / 0\n", "ZeroDivisionError"),
    ],
    ids=["syntax", "exit", "error", "package", "todo", "expression"],
)
def test_a_file_that_does_not_import_is_one_line_with_its_line(
    pytester: pytest.Pytester, tiny: TinyCourse, answer: str, says: str
) -> None:
    tiny.write(answer)
    code, text = run(pytester, "lessons/03")
    assert code == 1
    told = " ".join(text.split()).replace(" seen ", ": ", 1)
    assert says in told
    assert told.count(says) == 1
    assert set(states(text).values()) == {"not yet"}


def test_a_deleted_file_is_named_with_the_way_back(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.app.unlink()
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert "lessons/03_tiny/app.py" in text
    assert "the file is missing. `coach reset 03` puts the stub back." in text


def test_an_endless_loop_is_interrupted_and_its_line_named(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coach.plugin.PATIENCE_S", 0.5)
    tiny.solve(1, two="while True:\n        pass")
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert states(text)["03.1"] == "done"
    assert "still running after 0.5 s" in text
    assert re.search(r"app\.py:1[45] in half", text)


def test_an_endless_loop_at_import_is_interrupted(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coach.plugin.PATIENCE_S", 0.5)
    tiny.write("while True:\n    pass\n")
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert "importing it was not done after 0.5 s" in text


def test_a_wait_that_is_never_answered_names_the_waiting_line(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coach.plugin.PATIENCE_S", 0.5)
    suite = tiny.lesson / "test_tiny.py"
    suite.write_text(
        suite.read_text().replace(
            '    with pytest.raises(ValueError, match="negative"):\n        lesson.half(-1)',
            "    await lesson.half(-1)",
        )
    )
    tiny.write("import asyncio\nasync def half(n):\n    await asyncio.Event().wait()\n")
    _, text = run(pytester, "lessons/03", "-k", "negative")
    assert "Its tasks were waiting at lessons/03_tiny/app.py:3 in half" in " ".join(text.split())


def test_a_skip_is_not_a_pass(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 3, two='import pytest; pytest.skip("later")')
    code, text = run(pytester, "lessons/03")
    assert code == 1
    assert states(text)["03.2"] == "not yet"
    assert "a skipped test proves nothing" in text


def test_tests_left_out_are_not_run_and_not_done(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    code, text = run(pytester, "lessons/03", "-k", "sign or quadruple")
    assert code == 0
    assert states(text) == {"03.1": "not run", "03.2": "not run", "03.3": "done"}
    assert not (tiny.root / ".coach" / "03_tiny.json").exists()


def test_x_stops_at_the_first_failure(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    code, text = run(pytester, "lessons/03", "-x")
    assert code == 1
    assert states(text) == {"03.1": "to do", "03.2": "not run", "03.3": "not run"}


def test_one_test_by_its_id_as_an_editor_runs_it(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1)
    code, text = run(pytester, "lessons/03_tiny/test_tiny.py::test_double_keeps_the_sign")
    assert code == 0
    assert "1 passed" in text


def test_one_test_of_a_broken_file_says_why(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.write("def double(n:\n")
    code, text = run(pytester, "lessons/03_tiny/test_tiny.py::test_double_keeps_the_sign")
    assert code == 1
    assert "Python cannot read it" in text


def test_the_failure_text_that_an_editor_shows_is_ours(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(two="return n // 2")
    run(pytester, "lessons/03", "--junitxml=out.xml")
    xml = (pytester.path / "out.xml").read_text()
    assert "half(3) is 1" in xml
    assert "Traceback" not in xml


def test_xdist_gives_the_same_card(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    pytest.importorskip("xdist", reason="pip install pytest-xdist")
    tiny.solve(1)
    result = pytester.runpytest_subprocess("lessons/03", "-n", "2")
    text = result.stdout.str()
    assert int(result.ret) == 1
    assert states(text) == {"03.1": "done", "03.2": "to do", "03.3": "to do"}


def test_numbers_work_from_inside_lessons(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.root / "lessons")
    for number in ("03", "3", "03/"):
        code, text = run(pytester, number)
        assert code == 1
        assert "0/7 points" in text


def test_a_test_behind_a_number(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    _, text = run(pytester, "lessons/03_tiny", "lessons/03")
    assert text.count("0/7 points") == 1


def test_an_unknown_number_stays_as_typed(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    code, text = run(pytester, "lessons/99")
    assert code == 4
    assert "file or directory not found: lessons/99" in text


def test_a_broken_lesson_toml_is_named_and_other_lessons_are_graded(
    pytester: pytest.Pytester, tiny: TinyCourse
) -> None:
    other = tiny.root / "lessons" / "04_other"
    other.mkdir()
    for name in ("app.py", "lesson.toml"):
        (other / name).write_text((tiny.lesson / name).read_text().replace("TODO 03", "TODO 04"))
    (other / "test_other.py").write_text((tiny.lesson / "test_tiny.py").read_text())
    toml = tiny.lesson / "lesson.toml"
    toml.write_text(toml.read_text().replace("id = 3", "id = 2"))
    code, text = run(pytester, "lessons")
    assert code == 1
    assert "lessons/03_tiny/lesson.toml: two tasks have the number 2" in text
    assert " 04.1  to do" in text


def test_stray_files_in_a_lesson_do_no_harm(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    (tiny.lesson / "notes.txt").write_text("x")
    (tiny.lesson / "app copy.py").write_text("def (")
    (tiny.lesson / "__init__.py").write_text("")
    code, text = run(pytester, "lessons/03")
    assert code == 0, text
    assert "7/7 points" in text


def test_progress_remembers_a_full_run(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1)
    run(pytester, "lessons/03")
    data = json.loads((tiny.root / ".coach" / "03_tiny.json").read_text())
    assert data["states"] == {"03.1": "done", "03.2": "to do", "03.3": "to do"}
    assert data["points"] == 2


def test_tests_elsewhere_are_left_alone(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    (tiny.root / "tests").mkdir()
    (tiny.root / "tests" / "test_plain.py").write_text("def test_it():\n    assert 1 == 2\n")
    code, text = run(pytester, "tests")
    assert code == 1
    assert "assert 1 == 2" in text
    assert "points" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_card_fits_the_window(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    tiny.solve(1, two="return n // 2")
    _, text = run(pytester, "lessons/03")
    card = [line for line in text.splitlines() if re.match(r" 03", line)]
    assert card
    assert max(map(len, card)) <= width
    assert "-> coach hint 03.2" in text


def test_a_deprecation_at_import_does_not_close_the_lesson(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    tiny.app.write_text(
        tiny.app.read_text()
        + textwrap.dedent("""
        import warnings
        warnings.warn("old", DeprecationWarning)
        """)
    )
    code, text = run(pytester, "lessons/03")
    assert code == 0, text


def test_a_task_that_refuses_to_be_cancelled_costs_its_own_test(
    pytester: pytest.Pytester, tiny: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COACH_PATIENCE_S", "0.5")
    suite = tiny.lesson / "test_tiny.py"
    asks = '    with pytest.raises(ValueError, match="negative"):\n        lesson.half(-1)'
    suite.write_text(suite.read_text().replace(asks, "    await lesson.half(-1)"))
    tiny.write("""
        import asyncio

        kept = []

        def double(n):
            return 2 * n

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(60)
                except BaseException as error:
                    if type(error).__name__ == "TookTooLong":
                        raise

        async def half(n):
            kept.append(asyncio.create_task(stubborn()))
            await asyncio.sleep(0)

        def quadruple(n):
            return 4 * n
        """)
    # In a process of its own: what the answer leaves behind would be collected in a test of ours.
    result = pytester.runpytest_subprocess("lessons/03", "-k", "not half_is_half", "-W", "ignore")
    text = result.stdout.str()
    assert int(result.ret) == 1
    assert states(text) == {"03.1": "done", "03.2": "not yet", "03.3": "done"}
    assert "still running after 0.5 s" in " ".join(text.split())


def test_a_task_of_which_only_failed_tests_ran_again_is_not_done(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 3, two="return n / 2")
    assert states(run(pytester, "lessons/03")[1])["03.2"] == "not yet"
    tiny.put_stub()
    tiny.solve(1, 2, 3)
    code, text = run(pytester, "lessons/03", "--lf")
    assert code == 0
    assert states(text) == {"03.1": "not run", "03.2": "not run", "03.3": "not run"}


def test_a_task_of_which_one_parameter_ran_is_not_done(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    suite = "lessons/03_tiny/test_tiny.py"
    _, text = run(pytester, f"{suite}::test_double_is_twice[3]", f"{suite}::test_double_keeps_the_sign")
    assert states(text)["03.1"] == "not run"


def test_what_a_run_changes_in_the_garbage_collector_ends_with_it(pytester: pytest.Pytester, tiny: TinyCourse) -> None:
    tiny.solve(1, 2, 3)
    before = gc.get_threshold()
    run(pytester, "lessons/03")
    assert gc.isenabled()
    assert gc.get_threshold() == before

"""The quiz: what is asked when, what is kept, and what is said when something is wrong."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coach.lesson import CourseError
from coach.questions import Question, read_topics
from coach.rehearse import quiz
from coach.rehearse.memory import Memory, Review, known
from coach.rehearse.picture import draw, standing_lines
from tests.conftest import ROOT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUESTIONS = [question for one in read_topics(ROOT) for question in one.questions]


def review(id: str, rating: str, days_ago: float) -> Review:
    return Review(NOW - timedelta(days=days_ago), id, rating)


def ids(questions: list[Question]) -> list[str]:
    return [one.id for one in questions]


def test_at_first_the_questions_of_every_list_come_first_and_staff_last() -> None:
    picked = quiz.pick_questions(QUESTIONS, {}, NOW, count=len(QUESTIONS))
    assert sorted(ids(picked)) == sorted(ids(QUESTIONS))
    famous = sum(one.every_list for one in QUESTIONS)
    assert all(one.every_list for one in picked[:famous])
    assert picked[-1].level == max((one.level for one in QUESTIONS), key=["junior", "mid", "senior", "staff"].index)


def test_what_is_forgotten_most_comes_before_what_is_new() -> None:
    memory = known([review("async-02", "good", 30), review("async-03", "easy", 30), review("async-04", "good", 0.1)])
    picked = ids(quiz.pick_questions(QUESTIONS, memory, NOW, count=3))
    assert picked[:2] == ["async-02", "async-03"]
    assert picked[2] not in memory, "what was answered a moment ago is not due"
    assert ids(quiz.pick_questions(QUESTIONS, memory, NOW, count=9, new=False)) == ["async-02", "async-03"]


def test_an_answer_that_was_not_known_comes_back_today_and_a_good_one_after_days() -> None:
    memory = known([review("async-02", "again", 0), review("async-03", "good", 0), review("async-04", "easy", 0)])
    again, good, easy = (memory[f"async-0{n}"].due - NOW for n in (2, 3, 4))
    assert again < timedelta(hours=1) < timedelta(days=1) <= good < easy
    assert memory["async-02"].recall(NOW) == 0
    assert memory["async-03"].recall(NOW) == 1
    twice = known([review("async-03", "good", 3), review("async-03", "good", 0)])["async-03"]
    assert twice.due - NOW > good
    assert twice.reviews == 2


def test_reviews_survive_the_process_and_count_once(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "deep" / "quiz.sqlite")
    assert memory.reviews() == []
    first, second = review("async-02", "good", 2), review("async-02", "hard", 1)
    assert memory.add([second]) == 1
    assert memory.add([first, second]) == 1
    assert Memory(memory.file).reviews() == [first, second]


def test_an_export_is_taken_over_whole_and_twice_is_once(tmp_path: Path) -> None:
    reviews = [review("async-02", "good", 2), review("models-01", "again", 1)]
    text = quiz.write_export(reviews)
    memory = Memory(tmp_path / "quiz.sqlite")
    assert memory.add(quiz.read_export(text, "x.json")) == 2
    assert memory.add(quiz.read_export(text, "x.json")) == 0
    assert memory.reviews() == reviews


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON"),
        ("[]", "no export of the quiz"),
        ('{"format": "coach quiz", "reviews": [{"at": "2026-11-24T12:00:00+00:00"}]}', "review 1"),
        ('{"format": "coach quiz", "reviews": [{"at": "yesterday", "question": "a", "rating": "good"}]}', "yesterday"),
        ('{"format": "coach quiz", "reviews": [{"at": "2026-11-24", "question": "a", "rating": "good"}]}', "no zone"),
        ('{"format": "coach quiz", "reviews": [{"at": "2026-11-24T12:00Z", "question": "a", "rating": "5"}]}', "'5'"),
    ],
)
def test_what_is_no_export_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(CourseError, match=says):
        quiz.read_export(text, "x.json")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look like one" * 30, None, b"later"])
def test_a_file_that_is_not_ours_is_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "quiz.sqlite"
    if content and content != b"later":
        file.write_bytes(content)
    else:
        with sqlite3.connect(file) as database:
            database.execute("CREATE TABLE mine (a)")
            if content:
                database.execute(f"PRAGMA application_id = {0x5155495A}")
                database.execute("PRAGMA user_version = 99")
        database.close()
    before = file.read_bytes()
    with pytest.raises(CourseError, match=r"quiz\.sqlite .* left as it is"):
        Memory(file).reviews()
    with pytest.raises(CourseError):
        Memory(file).add([review("async-02", "good", 1)])
    assert file.read_bytes() == before


def test_the_picture_counts_every_question_once() -> None:
    memory = known([review("async-02", "good", 30), review("async-03", "easy", 0), review("models-01", "good", 0)])
    standing = quiz.stand(QUESTIONS, memory, NOW)
    assert (standing.due_now, standing.new, standing.reviews) == (1, len(QUESTIONS) - 3, 3)
    assert standing.due_by_day[0] == 1
    assert sum(standing.due_by_day) <= 3
    by_topic = {one.topic: one for one in standing.topics}
    assert by_topic["async"].asked == 2
    assert 0 < by_topic["models"].strength < by_topic["async"].strength < 1
    assert by_topic["basics"].strength == 0
    assert standing.weakest[0][0] == "async-02"


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_the_picture_fits_its_window(width: int) -> None:
    memory = known([review(one.id, "good", 3) for one in QUESTIONS])
    lines = standing_lines(quiz.stand(QUESTIONS, memory, NOW), width)
    assert max(len(text) for text, _ in lines) <= width
    assert sum(text.endswith(" asked") for text, _ in lines) == len({one.topic for one in QUESTIONS})


def test_the_svg_draws_what_the_terminal_says() -> None:
    standing = quiz.stand(QUESTIONS, known([review("async-02", "good", 1)]), NOW)
    texts = re.findall(r">([^<]+)</", draw(standing))
    assert any(" new, " in text for text in texts)
    for one in standing.topics:
        assert one.topic in texts
        assert f"{one.strength:.0%}, {one.asked} of {one.questions} asked" in texts


@pytest.mark.parametrize(
    ("minutes", "says"),
    [(0, "now"), (-5, "now"), (1, "in 1 minute"), (59, "in 59 minutes"), (61, "in 1 hour"), (3 * 1440, "in 3 days")],
)
def test_when_something_comes_is_said_as_people_do(minutes: int, says: str) -> None:
    assert quiz.in_words(NOW + timedelta(minutes=minutes), NOW) == says


@pytest.mark.parametrize("topic", ["async", "03", "3", "ASYNC"])
def test_a_topic_is_named_by_noun_or_number(topic: str) -> None:
    assert {one.topic for one in quiz.pick_topic(QUESTIONS, topic)} == {"async"}


# The command itself, in a course that is a copy.


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "src").symlink_to(ROOT / "notebooks" / "src")
    (tmp_path / "lessons").symlink_to(ROOT / "lessons")
    (tmp_path / "taken").write_text("", encoding="utf-8")
    return tmp_path


def coach(course: Path, *words: str, typed: str = "", columns: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "coach", "quiz", *words],
        cwd=course,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"},
    )


def test_a_sitting_keeps_each_rating_and_ends_with_its_input(course: Path) -> None:
    done = coach(course, "async", "-n", "3", typed="\n3\n\nfine\n1\ns\n", columns=60)
    assert done.returncode == 0, done.stderr
    assert "How do you handle long-running LLM requests?" in done.stdout
    assert "It comes back in" in done.stdout
    assert "'fine' is no rating" in done.stdout
    assert "once more" in done.stdout
    assert "2 answers were rated and kept" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60
    reviews = Memory(course / ".coach" / "quiz.sqlite").reviews()
    assert [one.rating for one in reviews] == ["good", "again"]


def test_without_a_terminal_questions_and_ratings_are_data(course: Path) -> None:
    asked: list[dict[str, Any]] = json.loads(coach(course, "--json", "-n", "2").stdout)
    assert [one["reviews"] for one in asked] == [0, 0]
    assert all(one["spoken"] and one["listens_for"] for one in asked)
    rated = coach(course, "--json", *(f"--rate={one['id']}=good" for one in asked))
    dues = json.loads(rated.stdout)
    assert list(dues) == [one["id"] for one in asked]
    standing = json.loads(coach(course, "--json", "--stats").stdout)
    assert (standing["reviews"], standing["due_now"]) == (2, 0)
    after = json.loads(coach(course, "--json", "-n", "2").stdout)
    assert not {one["id"] for one in after} & set(dues)


def test_export_import_and_svg_are_files(course: Path) -> None:
    coach(course, "--rate", "async-03=hard")
    assert "1 answer is in" in coach(course, "--export", "kept.json").stdout
    (course / ".coach" / "quiz.sqlite").unlink()
    assert "1 answer was taken over" in coach(course, "--import", "kept.json").stdout
    assert "The picture" in coach(course, "--svg", "quiz.svg").stdout
    assert (course / "quiz.svg").read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cooking"], "There is no topic 'cooking'. The topics are: basics"),
        (["--rate", "async-99=good"], "no question 'async-99'"),
        (["--rate", "async-03=5"], "again, hard, good, easy"),
        (["--import", "missing.json"], "missing.json cannot be read"),
        (["--svg", "taken/quiz.svg"], "cannot be written"),
    ],
)
def test_a_wrong_call_is_one_line(course: Path, words: list[str], says: str) -> None:
    done = coach(course, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

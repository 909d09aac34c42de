"""The parser that the quiz will read from: what it finds, and how it says that a source is broken."""

import re
from pathlib import Path

import jupytext
import pytest

from coach.lesson import CourseError
from coach.questions import LEVELS, find_question, read_cells, read_topic, read_topics
from tests.notebooks.running import QUESTIONS, ROOT, TOPICS

SOURCE = '''# %% [markdown]
# # 07 tea: water and time
#
# One question.

# %%
water = 100

# %% [markdown]
# ## Why is the tea bitter?
#
# `tea-01` · senior · on every list
#
# *Think first.* How long?

# %% [markdown]
# **Spoken answer.** It stood for too long.
# Take it out.

# %%
assert water == 100

# %%
print("proved")

# %% [markdown]
# **Listens for**
#
# - Time
#   and heat.
# - Not the leaf.
#
# **Usual wrong answer.** *"More sugar."*

# %%
assert "sugar" != "time"

# %% [markdown]
# **Then they ask.** *And green tea?*
# Cooler.
# Shorter.
#
# **Your turn.** Write the minutes.


# %%
def minutes(kind: str) -> int:
    """Return them."""
    ...


# %%
print("to do")
'''


def written(folder: Path, text: str) -> Path:
    path = folder / "07_tea.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_source_is_read_part_by_part(tmp_path: Path) -> None:
    topic = read_topic(written(tmp_path, SOURCE))
    assert (topic.name, topic.number, topic.title) == ("tea", "07", "07 tea: water and time")
    assert (topic.intro, topic.setup) == ("One question.", ("water = 100",))
    (question,) = topic.questions
    assert (question.id, question.topic, question.level, question.every_list) == ("tea-01", "tea", "senior", True)
    assert question.title == "Why is the tea bitter?"
    assert question.think == "How long?"
    assert question.spoken == "It stood for too long.\nTake it out."
    assert question.listens_for == ("Time and heat.", "Not the leaf.")
    assert question.wrong == '*"More sugar."*'
    assert (question.then_asked, question.then_answer) == ("And green tea?", "Cooler.\nShorter.")
    assert question.turn == "Write the minutes."
    assert question.proof == ("assert water == 100", 'print("proved")')
    assert question.counterproof == ('assert "sugar" != "time"',)
    assert question.exercise.startswith("def minutes(kind: str)")
    assert question.check == 'print("to do")'
    assert SOURCE.splitlines()[question.line - 1] == "# ## Why is the tea bitter?"


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("# # 07 tea: water and time\n", "# Tea\n", "line 1: the first cell is Markdown"),
        ("`tea-01`", "`tea-1`", "line 10: a question begins with `## `"),
        ("`tea-01`", "`tea-02`", "is called tea-02, and its place makes it tea-01"),
        ("· senior ·", "· wizard ·", "is wizard; a level is one of junior, mid, senior, staff"),
        ("· on every list", "· everywhere", "nothing or `on every list`, not 'everywhere'"),
        ("# *Think first.* How long?\n", "# How long?\n", "order is *Think first.* **Spoken answer.**"),
        (
            "# *Think first.*",
            "\n# %%\ntea = 1\n\n# %% [markdown]\n# *Think first.*",
            "code stands above *Think first.*",
        ),
        ("**Your turn.**", "**Write.**", "has no part **Your turn.**"),
        ("**Listens for**", "**Spoken answer.** Again.\n#\n# **Listens for**", "twice or out of order"),
        ("*And green tea?*\n", "And green tea?\n", "a question in italics and, below it, its answer"),
        ("# - Not the leaf.\n", "", "at least two points"),
        ('# %%\nassert "sugar" != "time"\n', "", "has no code below **Usual wrong answer.**"),
        ('\n\n# %%\nprint("to do")\n', "\n", "has 1 cells below its turn"),
    ],
)
def test_a_broken_source_is_named_with_its_line_and_the_rule(
    tmp_path: Path, right: str, wrong: str, words: str
) -> None:
    assert SOURCE.count(right) == 1
    with pytest.raises(CourseError, match=r"notebooks/src/07_tea\.py line \d+: ") as caught:
        read_topic(written(tmp_path, SOURCE.replace(right, wrong)))
    assert words in str(caught.value)


def test_two_questions_with_one_id_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    for name in ("07_tea.py", "08_tea.py"):
        (folder / name).write_text(SOURCE, encoding="utf-8")
    with pytest.raises(CourseError, match="two questions are called tea-01"):
        read_topics(tmp_path)


def test_a_question_is_found_by_its_id() -> None:
    assert find_question(TOPICS, "async-03").title.startswith("Fifty calls, one fails.")
    with pytest.raises(CourseError, match="no question 'async-99'; an id is a topic and a number, as basics-01 is"):
        find_question(TOPICS, "async-99")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_we_and_jupytext_see_the_same_cells(topic) -> None:
    text = topic.path.read_text(encoding="utf-8")
    theirs = [(cell.cell_type, cell.source) for cell in jupytext.reads(text, fmt="py:percent").cells]
    assert [(cell.kind, cell.text) for cell in read_cells(text)] == theirs


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_the_spoken_answer_can_be_spoken(question) -> None:
    assert len(question.spoken.split()) <= 150, "a minute is some 150 words"
    assert 4 <= len(re.findall(r"[.?!](?=\s|$)", question.spoken)) <= 8
    assert "```" not in question.spoken and "](" not in question.spoken


def test_there_are_enough_and_for_everybody() -> None:
    assert len(QUESTIONS) >= 60
    (design,) = [topic for topic in TOPICS if topic.name == "design"]
    assert len(design.questions) >= 5, "five systems are walked through"
    for topic in (topic for topic in TOPICS if topic is not design):
        assert len(topic.questions) >= 7, f"{topic.name} has {len(topic.questions)} questions"
        assert len({question.level for question in topic.questions} & set(LEVELS)) == 4, f"{topic.name} leaves one out"
    titles = [question.title for question in QUESTIONS]
    assert len(titles) == len(set(titles))


def test_the_questions_of_every_list_are_there() -> None:
    assert [question.id for question in QUESTIONS if question.every_list] == [
        "basics-01",
        "basics-02",
        "async-01",
        "auth-01",
    ]


def test_a_source_is_read_without_the_tools_of_authors() -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", (ROOT / "src/coach/questions.py").read_text(), flags=re.M)
    assert set(imported) <= {"re", "collections", "dataclasses", "pathlib", "typing", "coach"}

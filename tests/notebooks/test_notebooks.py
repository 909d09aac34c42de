"""The notebooks are what their sources make of them, from top to bottom in a kernel, the same bytes at every run."""

import json
import re
import subprocess
import sys
from html import unescape

import jupytext
import pytest
from jupytext.config import load_jupytext_config

from coach.questions import Topic
from tests.notebooks.running import NOTEBOOKS, ROOT, TOPICS

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def notebook(topic: Topic) -> dict:
    return json.loads((NOTEBOOKS / f"{topic.path.stem}.ipynb").read_text(encoding="utf-8"))


def outputs(topic: Topic) -> list[dict]:
    return [output for cell in notebook(topic)["cells"] for output in cell.get("outputs", ())]


@pytest.mark.timeout(240)
@each_topic
def test_run_again_it_is_the_same_to_the_last_byte(topic: Topic) -> None:
    command = [sys.executable, str(ROOT / "tools/notebooks.py"), "--check", topic.number]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_notebook_has_a_source_and_the_other_way_round() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {topic.path.stem for topic in TOPICS}


@each_topic
def test_the_pair_is_in_step(topic: Topic) -> None:
    cells = [jupytext.read(path).cells for path in (NOTEBOOKS / f"{topic.path.stem}.ipynb", topic.path)]
    written, source = ([(cell.cell_type, cell.source) for cell in one] for one in cells)
    assert written == source


def test_jupyter_does_not_pair_them_by_itself() -> None:
    """Else what a reader writes into a notebook would be saved into our source."""
    assert load_jupytext_config(str(NOTEBOOKS / "03_async.ipynb")) is None


@each_topic
def test_outputs_hold_nothing_of_this_machine_and_this_day(topic: Topic) -> None:
    shown = json.dumps(outputs(topic))
    assert outputs(topic)
    assert not [place for place in (str(ROOT), "ipykernel", "site-packages") if place in shown]
    assert not re.search(r"0x[0-9a-f]{6,}|127\.0\.0\.1:\d+|20\d\d-\d\d-\d\d|Thread-\d", shown)
    assert {output["output_type"] for output in outputs(topic)} <= {"stream", "execute_result"}
    assert {output.get("name", "stdout") for output in outputs(topic)} == {"stdout"}


@each_topic
def test_metadata_holds_nothing_that_changes(topic: Topic) -> None:
    book = notebook(topic)
    assert {cell["id"] for cell in book["cells"]} == {f"{topic.name}-{n:03d}" for n in range(len(book["cells"]))}
    assert all(cell["metadata"] == {} for cell in book["cells"])
    assert set(book["metadata"]) == {"kernelspec", "language_info"}
    assert "version" not in book["metadata"]["language_info"]


@each_topic
def test_a_picture_is_there_in_characters_too(topic: Topic) -> None:
    for output in outputs(topic):
        if "image/svg+xml" in output.get("data", {}):
            svg, characters = "".join(output["data"]["image/svg+xml"]), "".join(output["data"]["text/plain"])
            title = re.search("<title>(.*?)</title>", svg)
            assert title and characters.startswith(f"{unescape(title[1])}\n")
            assert svg.startswith("<svg ") and "<script" not in svg


@each_topic
def test_cells_are_short_enough_to_read(topic: Topic) -> None:
    for cell in (cell for cell in notebook(topic)["cells"] if cell["cell_type"] == "code"):
        lines = "".join(cell["source"]).splitlines()
        assert len(lines) <= 75, f"{cell['id']} has {len(lines)} lines"
        assert max(map(len, lines)) <= 120, f"{cell['id']}: {max(lines, key=len)}"


@each_topic
def test_the_first_cell_is_two_or_three_lines(topic: Topic) -> None:
    (setup,) = topic.setup
    assert len(setup.splitlines()) in (2, 3)


def test_the_readme_lists_every_question() -> None:
    readme = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    for topic in TOPICS:
        assert f"({topic.path.stem}.ipynb)" in readme
        assert all(question.title in readme for question in topic.questions)

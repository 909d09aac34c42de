"""Write the notebooks from their sources: run every cell, keep what it shows, the same bytes for the same input.

    python tools/notebooks.py           all of them, and notebooks/README.md
    python tools/notebooks.py 03        one of them
    python tools/notebooks.py --check   write nothing; exit status 1 if one is not what its source makes of it

A source is `notebooks/src/NN_topic.py`, what it becomes is `notebooks/NN_topic.ipynb`.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from coach.questions import EVERY_LIST, Topic, read_topics

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SECONDS_PER_CELL = 60


class NotebookError(Exception):
    """A notebook cannot be written; the text says which cell and why."""


def render(topic: Topic) -> str:
    """Return the text of a notebook with the outputs that its cells have now.

    Raises:
        NotebookError: a cell raises, or writes a warning.
    """
    notebook = jupytext.reads(topic.path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
        }
    )
    metadata = notebook.metadata.copy()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{topic.name}-{number:03d}"
        cell.metadata = {}
    _execute(topic, notebook)
    notebook.metadata = metadata  # the kernel has added its version
    return nbformat.writes(notebook) + "\n"


def readme(topics: list[Topic]) -> str:
    """Return the text of notebooks/README.md."""
    count = sum(len(topic.questions) for topic in topics)
    lines = [
        "# Notebooks",
        "",
        "<!-- written by tools/notebooks.py from notebooks/src -->",
        "",
        f"{count} interview questions, each with an answer to be said in under a minute and a cell that proves it.",
        "`jupyter lab notebooks` opens this folder; no key and no network are needed.",
        'To read them without running anything, with what the cells showed: `mkdocs serve`, below "Rehearse".',
        "",
        "Every question has the same parts: think first, a spoken answer, the proof, what interviewers listen for, "
        "the usual wrong answer and how it shows, the follow-up, and a small function for you to write.",
        "The check below it grades what you wrote; left open, it says so and stops nothing.",
        "Stuck? `tests/notebooks/answers` has a right and a wrong answer to each.",
        "Questions do not build on each other: run the first cell of a notebook, then go to any of them.",
        "Waiting is done on a clock that jumps, so a model that thinks for a minute takes no time here.",
        "`git checkout -- notebooks` brings back the notebooks as they came.",
        "",
    ]
    for topic in topics:
        lines += [f"## [{topic.title}]({topic.path.stem}.ipynb)", ""]
        for brief in ROOT.glob(f"lessons/{topic.number}_*/README.md"):
            lines += [f"The lesson: [{brief.parent.name}](../{brief.relative_to(ROOT)}).", ""]
        lines += ["| question | level |", "|---|---|"]
        for question in topic.questions:
            every = f", {EVERY_LIST}" if question.every_list else ""
            lines.append(f"| {question.title} | {question.level}{every} |")
        lines.append("")
    lines += [
        "## For authors",
        "",
        "A notebook is written from a source in `src/`, which is plain Python in the percent format of jupytext.",
        "The docstring of `src/coach/questions.py` says how a question is written; `coach` reads the same text.",
        "`python tools/notebooks.py` runs the sources and writes the notebooks with their outputs, and this page.",
        "`tests/notebooks` holds both against each other, breaks each proof on purpose, and fills in each function.",
        "A change goes into the source; what is written into a notebook in Jupyter stays there.",
        "What the cells import from here is finished code: `virtual_time.py` is the clock that jumps, "
        "`visits.py` makes requests by hand, `pages.py` has the pages of lesson 05 and their questions, `pictures.py` "
        "draws, `verdicts.py` checks what you wrote.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check what was asked for; 0 if all is well."""
    parser = argparse.ArgumentParser(description="Write the notebooks from their sources.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="a topic's two digits; all if none is named")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    arguments = parser.parse_args()
    topics = read_topics(ROOT)
    wanted = [topic for topic in topics if not arguments.numbers or topic.number in arguments.numbers]
    stale = 0
    for topic in wanted:
        target = NOTEBOOKS / f"{topic.path.stem}.ipynb"
        try:
            stale += _put(target, render(topic), arguments.check)
        except NotebookError as error:
            print(error)
            return 1
    stale += _put(NOTEBOOKS / "README.md", readme(topics), arguments.check)
    if arguments.check and stale:
        print(f"{stale} not fresh; write anew: python tools/notebooks.py {' '.join(arguments.numbers)}".rstrip())
    return 1 if arguments.check and stale else 0


def _execute(topic: Topic, notebook: nbformat.NotebookNode) -> None:
    with tempfile.TemporaryDirectory() as nothing:
        # Nobody's own IPython settings, no proxy, one order of sets.
        env = {**os.environ, "IPYTHONDIR": nothing, "PYTHONHASHSEED": "0", "NO_PROXY": "*", "PYTHONWARNINGS": "default"}
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=SECONDS_PER_CELL,
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": str(NOTEBOOKS)}},
        )
        try:
            client.execute(env=env)
        except CellExecutionError as error:
            raise NotebookError(f"{topic.path.name}: {error}") from None
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise NotebookError(f"{topic.path.name}: this cell warns:\n{cell.source}\n\n{output.text}")


def _put(target: Path, text: str, check: bool) -> int:
    """Write a file that is not as it should be, or say so; 1 if it was not."""
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(f"stale: {target.relative_to(ROOT)}")
    else:
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Words: what comments, docstrings and texts say of lessons, of the course and of the capstone, said as at home."""

import re
import textwrap
from dataclasses import dataclass

WIDTH = 120
PHRASES = (
    # Whole turns first: word by word they would come out wrong. Their spaces may be ends of lines.
    (
        "Lesson 09 puts it together, yours when it is finished, else the reference: read on in "
        "`solutions/09_capstone/app.py`.",
        "`app.composition` puts it together.",
    ),
    (
        "But it is an exercise: somebody's finished one may be wrong, and that must not let strangers in.",
        "A mistake in there must not let strangers in.",
    ),
    ("which lesson each part comes from, and whether it is yours", "where each part comes from"),
    ("`docs/capstone/settings.md` is made of this", "`.env.example` is made of this"),
    (", and lesson 04's reader, whoever wrote it", ""),
    ("lesson 04's reader.js, yours when it is finished", "reader.js"),
    ("the course's fake", "the fake"),
    ("The course's fake", "The fake"),
    ("lesson code, the official clients", "your code, the official clients"),
    ("the lessons' parts", "the parts"),
    ("the lessons together make", "the parts make together"),
    ("that `coach run 04` started", "that listens on this machine"),
    (
        "`-p mockllm.alias` imports this package at every start of pytest, so a name is loaded when it is first asked "
        "for.",
        "A name is loaded when it is first asked for: nobody pays for a door that they do not use.",
    ),
    ("None: what this lesson serves", "None: no others"),
    ("One service out of the lessons", "One service"),
    ("nothing yet: finish a lesson, and it serves", "nothing yet"),
    ("Parts of yours:", "Yours:"),
    ("none yet; the reference serves", "none"),
)
NUMBERS = re.compile(r"\b[Ll]essons?\s+((?:\d\d(?:,\s+|\s+and\s+))*\d\d)\b")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")
# A sentence about what is not at home: commands of the course, its pages, its folders.
GONE = re.compile(r"`coach |\bcoach run\b|docs/capstone|CAPSTONE_PARTS|solutions/\d\d|`main\.py` puts it together")
GIVEN = re.compile(r"^Given(?::\s*|\.?\s*$)")


@dataclass(frozen=True)
class Words:
    """How the project speaks."""

    name: str  # of the project
    parts: dict[str, str]  # "08" -> "auth"
    modules: dict[str, str]  # "capstone.settings" -> "app.config", dotted, the longest first
    data: dict[str, str]  # "lessons/05_rag/corpus" -> "corpus"

    def names(self, text: str) -> str:
        """Return a text whose modules, paths and variables are the project's."""
        for old, new in self.data.items():
            text = text.replace(old, new)
        text = text.replace("docs/capstone/settings.md", ".env.example")
        for old, new in self.modules.items():
            if old in text:
                text = re.sub(rf"(?<![\w./-]){re.escape(old)}(?![\w-])", new, text)
            path = old.replace(".", "/")
            if path in text:
                text = re.sub(rf"(?<![\w-]){re.escape(path)}(?=/|\.\w|\b)", new.replace(".", "/"), text)
        text = text.replace("CAPSTONE_", "APP_")
        text = re.sub(r"(?<![\w-])Capstone\b", self.name, text)
        return re.sub(r"(?<![A-Za-z])capstone(?![A-Za-z])", "app", text)

    def prose(self, text: str) -> str:
        """Return a comment or a docstring that says nothing of lessons."""
        text = phrased(text)
        text = NUMBERS.sub(self._numbered, text)
        text = re.sub(r"\b([Ll])esson(s?)\b", lambda found: ("P" if found[1] == "L" else "p") + f"art{found[2]}", text)
        text = re.sub(r"\b([Tt])he capstone\b(?![./])", lambda found: f"{found[1]}he service", text)
        text = re.sub(r"(?<![-\w])[Aa] capstone\b(?![./])", "a service", text)
        return self.names(text)

    def _numbered(self, found: re.Match[str]) -> str:
        said = re.sub(r"\d\d", lambda one: f"`{self.parts.get(one[0], 'part')}`", found[1])
        return re.sub(r"\s+", " ", said)

    def docstring(self, text: str, indent: int) -> str:
        """Return what stands between the quotes of a docstring, `indent` columns from the left."""
        said = phrased(without_header(text.rstrip()))
        tail = text[len(text.rstrip()) :]
        kept = "\n\n".join(one for one in (without_gone(part) for part in said.split("\n\n")) if one.strip())
        kept = self.prose(kept)
        given = GIVEN.match(kept)
        kept = capital(kept[given.end() :]) if given else capital(kept)
        return wrapped(kept, indent) + (tail if "\n" in kept else "")

    def text(self, text: str) -> str:
        """Return a text of the program; where it is a sentence that speaks of lessons, one that does not."""
        return self.prose(text) if " " in text and re.search(r"\b[Ll]essons?\b", text) else self.names(text)

    def comment(self, text: str, *, alone: bool) -> str:
        """Return a comment, "" if nothing of it is worth keeping. `alone` says whether it has its line for itself."""
        said = text.removeprefix("#").strip()
        given = GIVEN.match(said)
        if given:
            said = said[given.end() :]
            said = capital(said) if alone else said
        said = without_gone(self.prose(said))
        return f"# {said}" if said else ("" if given else text if text.strip() == "#" else "")


def phrased(text: str) -> str:
    """Return a text with its PHRASES in other words."""
    for old, new in PHRASES:
        if old.split()[0] in text:
            text = re.sub(r"\s+".join(map(re.escape, old.split())), lambda _, new=new: new, text)
    return text


def without_header(text: str) -> str:
    """Return a docstring that does not begin with "Lesson 03 - "."""
    return re.sub(r"\A\s*Lesson \d\d(?: - |, )", "", text)


def without_gone(paragraph: str) -> str:
    """Return a paragraph without its sentences about what is not at home."""
    if not GONE.search(paragraph):
        return paragraph
    kept = [one for one in SENTENCE.split(paragraph) if not GONE.search(one) or "docs/capstone/settings.md" in one]
    return " ".join(kept)


def capital(text: str) -> str:
    """Return a text that begins like a sentence."""
    return text[:1].upper() + text[1:]


def wrapped(text: str, indent: int) -> str:
    """Return a docstring whose lines are short enough; those that are stay as they are."""
    lines: list[str] = []
    for place, line in enumerate(text.split("\n")):
        room = WIDTH - (indent + 3 if place == 0 else 0) - (3 if "\n" not in text else 0)
        if len(line) <= room:
            lines.append(line)
            continue
        lead = " " * indent if place == 0 else line[: len(line) - len(line.lstrip())]
        first = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
        rest = textwrap.wrap(" ".join(first[1:]), WIDTH - len(lead), break_long_words=False, break_on_hyphens=False)
        lines += [first[0], *(lead + one for one in rest)]
    if len(lines) > 1 and "\n" not in text:
        return summarized(lines, indent)
    return "\n".join(lines)


def summarized(lines: list[str], indent: int) -> str:
    """Return a docstring that was one line and is none any more: its first sentence, then the others below."""
    lead = " " * indent
    first, *others = SENTENCE.split(" ".join(line.strip() for line in lines))
    if not others:
        first, _, rest = first.partition(": ")
        first, others = f"{first}.", [capital(rest)]
    rest = textwrap.fill(" ".join(others), WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return first + "\n\n" + textwrap.indent(rest, lead) + "\n" + lead

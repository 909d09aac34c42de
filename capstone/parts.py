"""Which module serves each port: yours when it is finished, else the reference. `CAPSTONE_PARTS` decides otherwise."""

import sys
from pathlib import Path
from typing import cast

from capstone import ports
from capstone.settings import Settings
from coach.lesson import CourseError
from coach.parts import Part, _load, pick

ROOT = Path(__file__).resolve().parents[1]


def _pick(lesson: str) -> Part:
    try:
        return pick(ROOT, lesson, Settings().parts)
    except CourseError as error:
        if list(ROOT.glob(f"lessons/{lesson}_*/lesson.toml")):
            sys.exit(f"capstone: {error}")
    file = next(ROOT.glob(f"solutions/{lesson}_*/app.py"))  # not yet a lesson
    return Part(file.parent.name, "reference", str(file.relative_to(ROOT)), "draft", _load(file))


PARTS = [_pick(lesson) for lesson in ("01", "02", "03", "04", "05", "06", "07", "08")]

basics = cast(ports.Basics, PARTS[0].module)
models = cast(ports.Models, PARTS[1].module)
calls = cast(ports.Calls, PARTS[2].module)
streams = cast(ports.Streams, PARTS[3].module)
rag = cast(ports.Rag, PARTS[4].module)
production = cast(ports.Production, PARTS[5].module)
deployment = cast(ports.Deployment, PARTS[6].module)
auth = cast(ports.Auth, PARTS[7].module)

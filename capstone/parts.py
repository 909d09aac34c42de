"""Which module serves each port: yours when it is finished, else the reference. `CAPSTONE_PARTS` decides otherwise."""

import sys
from pathlib import Path
from typing import cast

from capstone import ports
from capstone.startup import BadSettings, read_settings
from coach.lesson import CourseError
from coach.parts import Part, pick

ROOT = Path(__file__).resolve().parents[1]
try:
    mode = read_settings().parts
    PARTS = [pick(ROOT, lesson, mode) for lesson in ("01", "02", "03", "04", "05", "06", "07", "08")]
except (CourseError, BadSettings) as error:
    sys.exit(f"capstone: {error}")

basics = cast(ports.Basics, PARTS[0].module)
models = cast(ports.Models, PARTS[1].module)
calls = cast(ports.Calls, PARTS[2].module)
streams = cast(ports.Streams, PARTS[3].module)
rag = cast(ports.Rag, PARTS[4].module)
production = cast(ports.Production, PARTS[5].module)
deployment = cast(ports.Deployment, PARTS[6].module)
auth = cast(ports.Auth, PARTS[7].module)


def pick_composition() -> tuple[ports.Composition, list[Part]]:
    """Pick lesson 09, which imports what is made of the other eight; return it, and all nine."""
    try:
        ninth = pick(ROOT, "09", mode)
    except CourseError as error:
        sys.exit(f"capstone: {error}")
    return cast(ports.Composition, ninth.module), [*PARTS, ninth]

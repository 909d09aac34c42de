"""Which module serves each port: yours when it is finished, else the reference. `CAPSTONE_PARTS` decides otherwise."""

import sys
from pathlib import Path
from typing import cast

from capstone import ports
from capstone.settings import settings
from coach.lesson import CourseError
from coach.parts import pick

ROOT = Path(__file__).resolve().parents[1]
try:
    PARTS = [pick(ROOT, lesson, settings.parts) for lesson in ("01", "02")]
except CourseError as error:
    sys.exit(f"capstone: {error}")

basics = cast(ports.Basics, PARTS[0].module)
models = cast(ports.Models, PARTS[1].module)

"""The service: `uvicorn capstone.main:app`.

Lesson 09 puts it together, yours when it is finished, else the reference: read on in `solutions/09_capstone/app.py`.
"""

import sys
from typing import TextIO

from fastapi import FastAPI

from capstone.parts import pick_composition
from capstone.services import tracing
from capstone.settings import Settings
from capstone.startup import UnsafeSettings

tracing.let_the_environment_decide()
composition, parts = pick_composition()


def create_app(settings: Settings, log_to: TextIO = sys.stderr) -> FastAPI:
    """Put the service together."""
    return composition.create_app(settings, log_to, parts=parts)


try:
    app = create_app(Settings())
except UnsafeSettings as error:
    sys.exit(f"capstone: {error}")

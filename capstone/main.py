"""The service: `uvicorn capstone.main:app`.

Lesson 09 puts it together, yours when it is finished, else the reference: read on in `solutions/09_capstone/app.py`.
"""

import sys
from typing import TextIO

from fastapi import FastAPI
from starlette.middleware import Middleware

from capstone.middleware import LocalOnly
from capstone.parts import pick_composition
from capstone.services import tracing
from capstone.settings import Settings
from capstone.startup import BadSettings, UnsafeSettings, check, read_settings

tracing.let_the_environment_decide()
composition, parts = pick_composition()


def create_app(settings: Settings, log_to: TextIO = sys.stderr) -> FastAPI:
    """Put the service together.

    Lesson 09 refuses unsafe settings and puts a door before the key `demo` as well. But it is an exercise: somebody's
    finished one may be wrong, and that must not let strangers in.
    """
    check(settings)
    app = composition.create_app(settings, log_to, parts=parts)
    if settings.is_demo:
        app.user_middleware.append(Middleware(LocalOnly))  # behind all others, so it is the first one that answers
    return app


try:
    app = create_app(read_settings())
except (BadSettings, UnsafeSettings) as error:
    sys.exit(f"capstone: {error}")

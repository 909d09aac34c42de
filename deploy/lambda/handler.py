"""What AWS Lambda calls: the capstone behind lesson 07's handler, yours where it is finished."""

from typing import Any

from capstone.main import app
from capstone.parts import deployment

part: Any = deployment
handler = part.lambda_handler(app)

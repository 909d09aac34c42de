"""What AWS Lambda calls: the capstone behind lesson 07's handler, yours where it is finished."""

from capstone.main import app
from capstone.parts import deployment

handler = deployment.lambda_handler(app)

"""The Flask server under test: `gunicorn flask_app:app`."""

from blocking_client import ask
from flask import Flask, request  # pyright: ignore[reportMissingImports] - bench extra

app = Flask(__name__)


@app.post("/chat")
def create_chat() -> dict[str, str]:
    """Answer a prompt; Flask makes JSON of a dict."""
    return {"answer": ask(request.get_json()["prompt"])}

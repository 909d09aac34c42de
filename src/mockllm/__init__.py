"""A fake of the OpenAI and Anthropic HTTP APIs: one fake behind three doors.

In a test the fixture `llm` answers what lesson code, the official clients and LangChain send (`router`);
by hand `serve()` listens on localhost (`server`); in process `LLMTransport` answers an httpx2 client (`transport`).

Reading order: `catalog` and `chat` (what can be asked), `script` and `scripting` (what can be answered), `openai_api`
and `anthropic_api` (the two wire formats), `api` (one request, one plan), `plan` and `exchange` (from the first wait to
the last byte), `mock` (the fake as a whole), then the doors.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answers import echo_answer, offline_answer
    from .bell import NotArrived
    from .catalog import CATALOG, Model
    from .gate import Gate
    from .mock import MockLLM
    from .requests import Request
    from .script import Script
    from .server import serve, serve_in_thread
    from .transport import LLMTransport

# `-p mockllm.alias` imports this package at every start of pytest, so a name is loaded when it is first asked for.
_HOME = {
    "CATALOG": "catalog",
    "Gate": "gate",
    "LLMTransport": "transport",
    "MockLLM": "mock",
    "Model": "catalog",
    "NotArrived": "bell",
    "Request": "requests",
    "Script": "script",
    "echo_answer": "answers",
    "offline_answer": "answers",
    "serve": "server",
    "serve_in_thread": "server",
}

__all__ = [
    "CATALOG",
    "Gate",
    "LLMTransport",
    "MockLLM",
    "Model",
    "NotArrived",
    "Request",
    "Script",
    "echo_answer",
    "offline_answer",
    "serve",
    "serve_in_thread",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
